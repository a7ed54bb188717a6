"""Sphinx extension: what the site adds to Furo. The switch, the interface's language, local assets only."""

from __future__ import annotations

import re

from sphinx.application import Sphinx
from sphinx.builders.html._assets import _JavaScript

from downhill_course.notebook.views import VIEWS, View
from downhill_course.pages.bilingual import current_view, in_halves

UNUSED = ("design-tabs", "scripts/furo.js")  # that no page of ours needs; theme.js does what Furo's script does

# What Furo and myst-nb write into their templates without offering it for translation.
CHINESE = {
    "Toggle site navigation sidebar": "打开或收起目录",
    "Toggle table of contents sidebar": "打开或收起本页目录",
    "Toggle Light / Dark / Auto color theme": "切换浅色、深色或跟随系统",
    "Toggle hidden content": "展开或收起隐藏内容",
    "Toggle navigation of ": "展开或收起：",
    "Contents": "目录",
    "Menu": "菜单",
    "Expand": "展开",
    "Light mode": "浅色",
    "Dark mode": "深色",
    "Auto light/dark, in light mode": "跟随系统（浅色）",
    "Auto light/dark, in dark mode": "跟随系统（深色）",
}
# Roles as today's standard has them: Sphinx and docutils write the last one's.
ROLES = {
    'class="caption" role="heading"': 'class="caption" role="heading" aria-level="2"',
    'role="doc-biblioentry"': 'role="listitem"',
}
# In the double view, Furo's words between pages come in both languages.
DOUBLE = {
    "<span>Next</span>": '<span>Next · <span lang="zh-CN">下一页</span></span>',
    "<span>Previous</span>": '<span>Previous · <span lang="zh-CN">上一页</span></span>',
    '<div class="title">Home</div>': '<div class="title">Home · <span lang="zh-CN">首页</span></div>',
}
NEIGHBOUR = re.compile(r'(<div class="title">)([^<]+) · ([^<]+)(?=</div>)')  # the page before, or after
PHRASE = re.compile(r'(?<=aria-label=")[^"]+(?=")|(?<=<title>)[^<]+(?=</title>)')


def interface(html: str, view: View, switch: str, home: bool) -> str:
    """The page with its view named, the switch in the telephone's header, its regions named for who does not see them,
    and the last English words translated. The first page is named too: styles that wait for what stands on it
    (``:has``) would move it while it comes."""
    sidebar, contents = view.cut("The course · 课程目录"), view.cut("On this page · 本页内容")
    inserts = {
        '<div class="page">': f'<div class="page view-{view.name}{" home" if home else ""}">',
        '<div class="header-right">': f'<div class="header-right">{switch}',
        '<aside class="sidebar-drawer">': f'<aside class="sidebar-drawer" aria-label="{sidebar}">',
        '<aside class="toc-drawer': f'<aside aria-label="{contents}" class="toc-drawer',
    }
    for old, new in inserts.items():
        if html.count(old) != 1:
            raise SystemExit(f"the theme's page has no single {old}: Furo has changed, so must pages/theme.py")
        html = html.replace(old, new)
    for old, new in ROLES.items():
        html = html.replace(old, new)
    if len(view.languages) > 1:
        for english, double in DOUBLE.items():
            html = html.replace(english, double)
        html = NEIGHBOUR.sub(r"\1" + in_halves(r"\2", r"\3"), html)
    return PHRASE.sub(in_chinese, html) if view.languages == ("zh",) else html


def in_chinese(match: re.Match) -> str:
    """An interface phrase in Chinese; one ending in a space is the beginning of a longer phrase."""
    for english, chinese in CHINESE.items():
        if match[0] == english or (english.endswith(" ") and match[0].startswith(english)):
            return chinese + match[0].removeprefix(english)
    return match[0]


def numbered(tree: str, page: str) -> str:
    """The contents in the sidebar with each chapter's number before its title, as file names and prose have it.

    >>> numbered('<li class="toctree-l1"><a class="x" href="03-momentum.html">Momentum</a>', "index")
    '<li class="toctree-l1"><a class="x" href="03-momentum.html"><span class="number">03</span> Momentum</a>'
    """

    def put(match: re.Match) -> str:
        digits = re.match(r"(\d\d)-", page if match[2] == "#" else match[2].rpartition("/")[2])
        return f'{match[1]}<span class="number">{digits[1]}</span> ' if digits else match[0]

    return re.sub(r'(<li class="toctree-l1[^"]*"><a class="[^"]*" href="([^"]*)">)', put, tree)


def alternates(app: Sphinx, pagename: str) -> dict[str, str]:
    """Where the same page stands in each view: below the site's address if it is set, else relative."""
    root = app.config.downhill_site or "../" * (pagename.count("/") + 1)
    suffix = app.builder.get_target_uri(pagename)
    return {name: f"{root}{name}/{suffix}" for name in VIEWS}


def page_context(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """What the templates need, and no script or style the page does not."""
    view = current_view(app)
    relative = "../" * (pagename.count("/") + 1)
    links = {name: f"{relative}{name}/{app.builder.get_target_uri(pagename)}" for name in VIEWS}
    context.update(
        view=view,
        views=VIEWS.values(),
        view_links=links,
        alternates=alternates(app, pagename),
        site_root=app.config.downhill_site or relative,
    )
    context["furo_navigation_tree"] = numbered(context.get("furo_navigation_tree", ""), pagename)
    for kind in ("script_files", "css_files"):
        files = {str(getattr(item, "filename", item)): item for item in context[kind]}  # each file once
        context[kind] = [item for name, item in files.items() if not any(word in name for word in UNUSED)]
    context["script_files"] = [deferred(item) for item in context["script_files"]]


def deferred(script: _JavaScript) -> _JavaScript:
    """A script that runs, in its turn, when the page is there to be read."""
    if not script.filename or {"async", "defer", "type"} & script.attributes.keys():
        return script
    return _JavaScript(script.filename, priority=script.priority, **{**script.attributes, "defer": "defer"})


def prepare(app: Sphinx) -> None:
    """The template filter."""
    if app.builder.format == "html":
        app.builder.init_templates()  # type: ignore[attr-defined]
        app.builder.templates.environment.filters["interface"] = interface


def setup(app: Sphinx) -> dict:
    app.setup_extension("furo")  # now, so that its settings are known when the configuration is read
    app.add_config_value("downhill_site", "", "html", [str])
    app.add_config_value("comments_config", {}, "", [dict])  # Jupyter Book sets it even if nobody asks for comments
    app.connect("builder-inited", prepare)
    app.connect("html-page-context", page_context, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
