"""What makes a site of the three views: the page that chooses, old addresses, search engines' files, cards, the zip,
and what a reader's device needs to keep a view."""

from __future__ import annotations

import os
import re
import subprocess
import zipfile
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

import jinja2

from downhill_course.files import write_if_new
from downhill_course.notebook.address import ROOT, Address
from downhill_course.notebook.cells import halves, headings, read, text_of
from downhill_course.notebook.views import TAGS, VIEWS, View, from_yaml
from downhill_course.pages.head import CARDS
from downhill_course.pages.tools import ARCHIVE, Work
from downhill_course.publish import cards, offline

FOLDER = "downhill-site"  # in the zip: nothing spills where it is unpacked
ONLINE = re.compile(rb"<!--online-->.*?<!--/online-->", re.S)  # what the copy in the zip does not have
FILL = "<!--fill:{}-->.*?<!--/fill-->"
OLD = re.compile(r"(?:[\w-][\w.-]*/)*[\w-][\w.-]*\.html")
NEW = re.compile(rf"{OLD.pattern}(?:#[\w.-]+)?")
EPOCH = (1980, 1, 1, 0, 0, 0)  # the first time a zip can hold: the same site makes the same zip
PACKED = {".png", ".woff2", ".jpg", ".gz", ".zip"}  # compressed already
ALONE = ("404.html", "robots.txt", "sitemap.xml", ARCHIVE)  # of use on a server only
BESIDE = (offline.WORKER, offline.LIST, offline.MANIFEST)  # in each view, too


# --- pages ------------------------------------------------------------------------------------------


def source_of(source: Path, name: str) -> Path:
    """The file a page is made from."""
    return next(path for suffix in (".ipynb", ".md") if (path := source / f"{name}{suffix}").exists())


def title_of(path: Path) -> str:
    """A page's title as its source has it, in both languages."""
    if path.suffix == ".ipynb":
        texts = [text_of(cell) for cell in read(path)["cells"] if cell["cell_type"] == "markdown"]
    else:
        texts = [path.read_text(encoding="utf-8")]
    return next((title for text in texts for title in headings(text)), path.stem)


def redirects(path: Path, names: list[str]) -> dict[str, str]:
    """The table of moved pages: old address in a view -> new one. Whatever would not work is an error."""
    table = (from_yaml(path.read_text(encoding="utf-8")) if path.exists() else None) or {}
    if not isinstance(table, dict):
        raise SystemExit(f"{path}: expected lines such as `old.html: new.html`, found {type(table).__name__}")
    pages = {f"{name}.html" for name in names}
    for old, new in table.items():
        if fault := moving(old, new, table, pages):
            raise SystemExit(f"{path}: {fault}")
    return table


def moving(old, new, table: dict, pages: set[str]) -> str:
    """Why an entry of the table would not work; nothing if it would."""
    if not isinstance(old, str) or not OLD.fullmatch(old):
        return f"{old!r} is no old address; write one as it stood after /en/, such as old.html"
    if not isinstance(new, str) or not NEW.fullmatch(new):
        return f"{old} leads to {new!r}; write a page's address such as new.html or new.html#place"
    target = new.partition("#")[0]
    if old in pages:
        return f"{old} is a page of the book: remove the entry, or rename the page"
    if old.split("/")[0] in VIEWS or old in (*ALONE, "search.html"):
        return f"{old} would overwrite a part of the site; leave out the view, or remove the entry"
    if target in table:
        return f"{old} leads to {target}, which has moved too: write {table[target]}"
    if target not in pages:
        return f"{old} leads to {target}, which is no page; pages are {', '.join(sorted(pages))}"
    return ""


# --- version ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stamp:
    """Which state of the project a site shows; without git the version alone."""

    version: str
    commit: str = ""
    date: str = ""
    changed: bool = False

    @classmethod
    def of(cls, root: Path = ROOT) -> Stamp:
        """The commit that is checked out; a download that lies inside another repository has none."""
        version = Work.read(root / "CITATION.cff").version

        def git(*words: str) -> str:
            done = subprocess.run(
                ["git", *words], cwd=root, capture_output=True, text=True, encoding="utf-8", check=True
            )
            return done.stdout.strip()

        try:
            if Path(git("rev-parse", "--show-toplevel")).resolve() != root.resolve():
                return cls(version)
            commit, date = git("show", "-s", "--format=%H %cs", "HEAD").split()
            return cls(version, commit, date, bool(git("status", "--porcelain", "--untracked-files=no")))
        except (OSError, subprocess.CalledProcessError, ValueError):
            return cls(version)

    def html(self, view: View, address: Address) -> str:
        """For a page's footer."""
        commit, link = self.commit[:9], escape(address.commit(self.commit))
        if link:
            commit = f'<a href="{link}">{commit}</a>'
        words = {"en": f"Version {escape(self.version)}", "zh": f"版本 {escape(self.version)}"}
        if self.commit:
            date = f'<span class="together">{self.date}</span>'
            words["en"] += f", commit {commit}{' with changes' if self.changed else ''}, {date}"
            words["zh"] += f"，提交 {commit}{'（另有改动）' if self.changed else ''}，{date}"
        first, *others = view.languages
        return words[first] + "".join(f'<br><span lang="{TAGS[name]}">{words[name]}</span>' for name in others)


# --- files ------------------------------------------------------------------------------------------


def fill(folder: Path, values: dict[str, str]) -> None:
    """Write values between the marks of every page."""
    for path in sorted(folder.rglob("*.html")):
        text = made = path.read_text(encoding="utf-8")
        for name, value in values.items():
            filled = f"<!--fill:{name}-->{value}<!--/fill-->".replace("\\", r"\\")
            made = re.sub(FILL.format(name), filled, made, flags=re.S)
        if made != text:
            path.write_text(made, encoding="utf-8", newline="\n")


def packed(site: Path) -> list[tuple[str, Path]]:
    """What goes into the zip, by name in it."""
    files = [(path.relative_to(site), path) for path in site.rglob("*") if path.is_file()]
    alone = {CARDS, *ALONE}
    kept = [each for each in files if not alone & {each[0].parts[0], each[0].as_posix()} and each[0].name not in BESIDE]
    return sorted((f"{FOLDER}/{name.as_posix()}", path) for name, path in kept if not path.name.startswith("."))


def pack(site: Path) -> Path:
    """The whole site as one zip: the same bytes for the same site, whenever and wherever it is made."""
    target = site / ARCHIVE
    new = target.with_name(f".{ARCHIVE}.tmp")
    with zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in packed(site):
            data = ONLINE.sub(b"", path.read_bytes()) if path.suffix == ".html" else path.read_bytes()
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_STORED if path.suffix in PACKED else zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    os.replace(new, target)
    return target


def sitemap(names: list[str], site: str) -> str:
    """Every page in every view, each with its other views."""
    rows = []
    for page in (f"{name}.html" for name in names):
        link = '<xhtml:link rel="alternate" hreflang="{}" href="{}{}/{}"/>'
        links = "".join(link.format(TAGS.get(view, "mul"), site, view, page) for view in VIEWS)
        rows += [f"<url><loc>{site}{view}/{page}</loc>{links}</url>\n" for view in VIEWS]
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" '
        f'xmlns:xhtml="http://www.w3.org/1999/xhtml">\n{"".join(rows)}</urlset>\n'
    )


# --- the site's root --------------------------------------------------------------------------------


def root_pages(source: Path, out: Path, names: list[str], moved: dict[str, str], address: Address) -> None:
    """The page that chooses a view, also for each page's address without one; moved pages; the page for the lost."""
    templates = jinja2.Environment(loader=jinja2.FileSystemLoader(source / "_root"), autoescape=True)
    site, written = address.site, set()

    def render(template: str, path: Path, **values) -> None:
        write_if_new(path, templates.get_template(template).render(site=site, **values) + "\n")
        written.add(path)

    for old, new in {f"{name}.html": f"{name}.html" for name in (*names, "search")}.items() | moved.items():
        render("index.html", out / old, page=new, root="../" * old.count("/"))
    for view in (view for view in VIEWS.values() if (out / view.name).is_dir()):
        for old, new in moved.items():
            here = f"{site}{view.name}/{new.partition('#')[0]}" if site else ""
            back = "../" * old.count("/")
            render("moved.html", out / view.name / old, view=view, target=back + new, canonical=here)
    titles = {name: halves(title) or (title, title) for name in names if (title := title_of(source_of(source, name)))}
    render("404.html", out / "404.html", base=urlsplit(site).path or "/", titles=titles)
    for path in set(out.glob("*.html")) - written:
        path.unlink()


def lost_places(out: Path, views: list[View], moved: dict[str, str]) -> list[str]:
    """Entries of the table whose page has no such place."""
    found = []
    for old, new in moved.items():
        page, _, place = new.partition("#")
        texts = [(out / view.name / page).read_text(encoding="utf-8") for view in views]
        if place and not all(f'id="{place}"' in text for text in texts):
            found.append(f"redirects.yml: {old} leads to {new}, and {page} has no place {place}")
    return found


def draw_cards(source: Path, out: Path, names: list[str]) -> None:
    """The pages' social cards, in the site's folder ``out``."""
    cards.write(out / CARDS, {name: (title_of(path := source_of(source, name)), path) for name in names})


def publish(
    source: Path, out: Path, views: list[View], names: list[str], moved: dict[str, str], address: Address, zipped: bool
) -> None:
    """Finish the site in ``out``, whose views are built; ``names`` are its pages, ``moved`` those of its past."""
    if lost := lost_places(out, views, moved):
        raise SystemExit("\n".join(lost))
    root_pages(source, out, names, moved, address)
    robots = "User-agent: *\nAllow: /\n"
    (out / "sitemap.xml").unlink(missing_ok=True)
    if address.site:
        write_if_new(out / "sitemap.xml", sitemap(names, address.site))
        robots += f"\nSitemap: {address.site}sitemap.xml\n"
    write_if_new(out / "robots.txt", robots)
    stamp = Stamp.of()
    for view in views:
        fill(out / view.name, {"stamp": stamp.html(view, address)})
    if zipped:
        pack(out)
    if (out / ARCHIVE).exists():
        size = max(1, round((out / ARCHIVE).stat().st_size / 1e6))
        for view in views:
            fill(out / view.name, {"size": f" ({size} MB)"})
    for view in views:  # at last, since it knows the pages by their bytes
        kept = offline.files(out / view.name)
        fill(out / view.name, {"keep": f" ({max(1, round(sum(kept.values()) / 1e6))} MB)"})
        offline.write(view, out / view.name, source / "_root" / offline.WORKER, kept)
