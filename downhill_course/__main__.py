"""The one command of the course: ``downhill NAME …``; ``downhill`` alone lists the names."""

from __future__ import annotations

import sys
from importlib import import_module

from downhill_course.project import ROOT

#: name -> (module with a `main(arguments)`, what it does, whether it works on the book's files)
COMMANDS = {
    "build": ("publish.build", "build the site in its views · 生成网站", True),
    "serve": ("publish.serve", "serve the site, rebuild what changes · 本地预览", True),
    "notebooks": ("notebook.running", "run notebooks and store their outputs · 运行笔记本并保存输出", True),
    "twins": ("notebook.twins", "do both languages say the same · 检查中英文是否一致", True),
    "questions": ("notebook.questions", "check questions, write them into notebooks · 检查并写入思考题", True),
    "release": ("grade.release", "write the students' notebooks · 生成学生版作业", False),
    "grade": ("grade.command", "grade a folder or zip of submissions · 批改作业", False),
    "ladder": ("ladder.command", "try a rule of your own, rank a class's · 天梯：自己的更新规则", False),
    "capstone": ("capstone", "make anew what chapter 12 keeps in files · 重新生成第 12 章的数据文件", True),
    "print": ("publish.print", "print pages as PDF · 把页面打印成 PDF", True),
    "address": ("notebook.address", "write the repository's address where it is repeated · 更新仓库地址", True),
    "setup-cell": ("notebook.setup_cell", "write the first cell of every notebook · 更新安装单元格", True),
    "cover": ("publish.cover", "draw the cover and the icon anew · 重画封面与图标", True),
}


def usage() -> str:
    rows = [f"  downhill {name:<11} {what}" for name, (_, what, _) in COMMANDS.items()]
    return "\n".join(["usage: downhill NAME [...]; `downhill NAME --help` tells more", *rows])


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit status, 2 for a name that is none."""
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in ("-h", "--help"):
        print(usage())
        return 0
    if name not in COMMANDS:
        print(f"downhill: there is no command {name!r}; known are {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    module, _, needs_book = COMMANDS[name]
    if needs_book and not (ROOT / "_toc.yml").is_file():
        print(f"downhill {name} works on the course's files: run it in a checkout of the course", file=sys.stderr)
        return 2
    return import_module(f"downhill_course.{module}").main(rest) or 0


if __name__ == "__main__":
    raise SystemExit(main())
