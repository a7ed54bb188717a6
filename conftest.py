"""Kernels that nbval starts re-run notebooks as they were stored."""

import os

from downhill_course.notebook.running import REPEATABLE

os.environ.update(REPEATABLE)
