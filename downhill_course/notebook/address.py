"""Where the project lives. One place says it, ``repository`` in _config.yml; every link to it is derived here.

downhill address            # after a change there: write it into the files that must repeat it
downhill address --check    # only say which of them differ
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

from downhill_course.notebook.views import load_yaml
from downhill_course.project import ROOT
from optlib import __version__

CONFIG = ROOT / "_config.yml"
#: Files that others read as they stand, so that they repeat the address. A test holds that no other file does.
REPEATING = ("CITATION.cff", "README.md", "README.zh-CN.md", "pyproject.toml")
#: What CITATION.cff says of the address: by this the files that repeat it are known from those that do not.
RECORD = re.compile(r'^repository-code: "(?P<url>.*)"  # branch (?P<branch>\S+)\nurl: "(?P<served>.*)"$', re.M)
VERSION = re.compile(r"^version: .*$", re.M)  # of CITATION.cff, which repeats optlib's
ADVICE = "write the address that a browser shows, such as https://github.com/OWNER/NAME"


@dataclass(frozen=True)
class Forge:
    """How a kind of host lays out its addresses; ``issue`` names the fields of a new issue's title and text."""

    view: str
    edit: str
    raw: str
    commit: str
    new_issue: str = "/issues/new"
    issue: tuple[str, str] = ("title", "body")
    deep: bool = False  # whether a project may stand in groups of groups


FORGES = {
    "github": Forge("/blob/{branch}/{file}", "/edit/{branch}/{file}", "/raw/{branch}/{file}", "/commit/{commit}"),
    "gitlab": Forge(
        "/-/blob/{branch}/{file}", "/-/edit/{branch}/{file}", "/-/raw/{branch}/{file}", "/-/commit/{commit}",
        "/-/issues/new", ("issue[title]", "issue[description]"), deep=True,
    ),
    "gitee": Forge(
        "/blob/{branch}/{file}", "/edit/{branch}/{file}", "/raw/{branch}/{file}", "/commit/{commit}",
        issue=("issue[title]", "issue[description]"),
    ),
    "gitea": Forge(
        "/src/branch/{branch}/{file}", "/_edit/{branch}/{file}", "/raw/branch/{branch}/{file}", "/commit/{commit}"
    ),
}  # fmt: skip
HOSTS = {"github.com": "github", "gitlab.com": "gitlab", "gitee.com": "gitee", "codeberg.org": "gitea"}


def kind_of(host: str) -> str:
    """What runs on a host, by its name.

    >>> kind_of("github.com"), kind_of("gitlab.example.edu.cn"), kind_of("git.example.org")
    ('github', 'gitlab', '')
    """
    words = host.split(".")
    return HOSTS.get(host) or next((kind for kind in FORGES if kind in words), "")


@dataclass(frozen=True)
class Address:
    """A repository and the site made from it. What a host does not offer is an empty text; so is all without a ``url``.

    >>> here = Address("https://github.com/ann/hills", "main")
    >>> here.edit("book/index.md"), here.site
    ('https://github.com/ann/hills/edit/main/book/index.md', 'https://ann.github.io/hills/')
    """

    url: str
    branch: str = "main"
    provider: str = ""  #: for hosts whose name does not tell: github, gitlab, gitee or gitea
    served: str = ""  #: where the site is served, if not where the host's Pages would be

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if self.url and (
            parts.scheme not in ("http", "https")
            or not re.fullmatch(r"[\w.-]+(:\d+)?", parts.netloc)
            or parts.query + parts.fragment
            or not re.fullmatch(r"(/[\w.~-]+){2,}", parts.path)
        ):
            raise SystemExit(f"repository.url is {self.url!r}: {ADVICE}, or nothing if there is none")
        if not re.fullmatch(r"[\w.+-]+(/[\w.+-]+)*", self.branch):
            raise SystemExit(f"repository.branch is {self.branch!r}: write a branch's name, such as main")
        if self.provider not in ("", *FORGES):
            raise SystemExit(
                f"repository.provider is {self.provider!r}: use one of {', '.join(FORGES)}, or leave it out"
            )
        if self.url and self.forge and not self.forge.deep and self.name.count("/") != 1:
            raise SystemExit(f"repository.url is {self.url!r}, which names more than OWNER/NAME: {ADVICE}")
        if self.served and not re.fullmatch(r"https?://[^\s?#]+/", self.served):
            raise SystemExit(
                f"the site's address (html.baseurl or SITE_URL) is {self.served!r}: "
                "write one such as https://example.org/downhill/, or nothing"
            )

    @property
    def host(self) -> str:
        """The host's name, in small letters."""
        return urlsplit(self.url).netloc.lower()

    @property
    def kind(self) -> str:
        """``github``, ``gitlab``, ``gitee``, ``gitea``, or nothing for a host that only git knows."""
        return self.provider or kind_of(self.host)

    @property
    def forge(self) -> Forge | None:
        return FORGES.get(self.kind)

    @property
    def name(self) -> str:
        """``OWNER/NAME``; GitLab's groups of groups make it longer."""
        return urlsplit(self.url).path.strip("/")

    # --- the repository's pages ---

    def _page(self, layout: str, **values: str) -> str:
        return self.url + layout.format(**{key: quote(value, safe="/") for key, value in values.items()})

    def view(self, file: str) -> str:
        """A file as the host shows it; for a host of unknown kind, the repository."""
        return self._page(self.forge.view, branch=self.branch, file=file) if self.forge and self.url else self.url

    def edit(self, file: str) -> str:
        """Where a reader changes a file and proposes the change."""
        return self._page(self.forge.edit, branch=self.branch, file=file) if self.forge and self.url else ""

    def raw(self, file: str) -> str:
        """The bytes of a file."""
        return self._page(self.forge.raw, branch=self.branch, file=file) if self.forge and self.url else ""

    def commit(self, commit: str) -> str:
        """What a commit changed."""
        return self._page(self.forge.commit, commit=commit) if self.forge and self.url else ""

    def issue(self, title: str, text: str) -> str:
        """A new issue that already has its title and its text."""
        if not self.forge or not self.url:
            return ""
        fields = dict(zip(self.forge.issue, (title, text), strict=True))
        return f"{self.url}{self.forge.new_issue}?{urlencode(fields, quote_via=quote)}"

    # --- where others run it ---

    @property
    def binder(self) -> str:
        """Binder's name for the repository, without what to open."""
        if not self.url:
            return ""
        whole = {"github.com": f"gh/{self.name}", "gitlab.com": f"gl/{quote(self.name, safe='')}"}
        place = whole.get(self.host, f"git/{quote(self.url, safe='')}")
        return f"https://mybinder.org/v2/{place}/{quote(self.branch, safe='/')}"

    def launch(self, file: str) -> str:
        """Binder, with a file of the repository open in JupyterLab."""
        return f"{self.binder}?urlpath=lab/tree/{quote(file)}" if self.url else ""

    def colab(self, file: str) -> str:
        """Colab, which opens notebooks from GitHub alone."""
        if self.host != "github.com":
            return ""
        place = f"{self.name}/blob/{quote(self.branch, safe='/')}/{quote(file)}"
        return f"https://colab.research.google.com/github/{place}"

    @property
    def pip(self) -> str:
        """What `pip install` takes: the library as it is in the repository."""
        return f"git+{self.url}@{self.branch}" if self.url else ""

    # --- the site ---

    @property
    def site(self) -> str:
        """Where the site is served, with the last slash: as told, else the host's Pages, else nothing."""
        if self.served:
            return self.served
        owner, _, rest = self.name.partition("/")
        pages = {"github.com": f"{owner.lower()}.github.io", "gitlab.com": f"{owner.lower()}.gitlab.io"}.get(self.host)
        if not pages:
            return ""
        return f"https://{pages}/" if rest.lower() == pages else f"https://{pages}/{rest}/"

    def forms(self) -> tuple[str, ...]:
        """Every form of the address that a file may repeat, the longer ones first where one begins another."""
        colab = self.colab("").rstrip("/")
        return tuple(form for form in (self.site, self.binder, colab, self.pip, self.view("").rstrip("/"), self.url))


def read(config: Path = CONFIG, environment: Mapping[str, str] = os.environ) -> Address:
    """The address in ``_config.yml``; ``SITE_URL`` in the environment says where this build will be served."""
    settings = load_yaml(config)
    said = settings.get("repository") or {}
    if not isinstance(said, dict):
        raise SystemExit(f"{config}: repository is {said!r}; write url and branch below it")
    url = str(said.get("url") or "").strip().rstrip("/").removesuffix(".git")
    served = (environment.get("SITE_URL") or (settings.get("html") or {}).get("baseurl") or "").strip()
    try:
        return Address(
            url=url,
            branch=str(said.get("branch") or "main"),
            provider=str(said.get("provider") or ""),
            served=served if not served or served.endswith("/") else served + "/",
        )
    except SystemExit as error:
        raise SystemExit(f"{config}: {error}") from None


def repeated(root: Path = ROOT) -> Address:
    """The address that the files which repeat it hold now: CITATION.cff records it."""
    path = root / "CITATION.cff"
    found = RECORD.search(path.read_text(encoding="utf-8"))
    if not found:
        raise SystemExit(f"{path}: the two lines `repository-code` and `url` are missing; restore them from git")
    return Address(**found.groupdict())


def rewritten(text: str, old: Address, new: Address) -> str:
    """A text with every form of the old address in the new one's; for a form that the new one lacks, its ``url``."""
    forms = {before: after or new.url for before, after in zip(old.forms(), new.forms(), strict=True) if before}
    any_form = "|".join(re.escape(form) + ("" if form.endswith("/") else r"(?![\w-]|\.(?!git\b)\w)") for form in forms)
    text = re.sub(any_form, lambda match: forms[match[0]], text)
    text = VERSION.sub(f"version: {__version__}", text)
    return RECORD.sub(lambda _: f'repository-code: "{new.url}"  # branch {new.branch}\nurl: "{new.site}"', text)


def stale(root: Path = ROOT, new: Address | None = None) -> dict[Path, str]:
    """The files that repeat another address than ``_config.yml`` holds, and what they should be."""
    new = new or read(root / "_config.yml", {})
    if not new.url:
        return {}
    old, found = repeated(root), {}
    if old.host == new.host:
        old = replace(old, provider=new.provider)
    for path in (root / name for name in REPEATING):
        text = path.read_text(encoding="utf-8")
        if (made := rewritten(text, old, new)) != text:
            found[path] = made
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file differs")
    options = parser.parse_args(arguments)
    found = stale()
    for path, text in found.items():
        if not options.check:
            path.write_text(text, encoding="utf-8", newline="\n")
        print(f"{path.relative_to(ROOT)}: {'differs: run `make address`' if options.check else 'rewritten'}")
    if not found:
        print(f"Every file that repeats the address holds {read(CONFIG, {}).url or 'none'}.")
    return int(options.check and bool(found))


if __name__ == "__main__":
    raise SystemExit(main())
