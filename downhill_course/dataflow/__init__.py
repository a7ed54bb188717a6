"""A dataflow graph as in TensorFlow's white paper, small enough to read: nodes, gradients as nodes, devices, a cut."""

from . import devices
from .graph import Graph

__all__ = ["Graph", "devices"]
