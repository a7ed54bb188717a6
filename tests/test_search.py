"""The site's search: what stands in a page is found, in the right section, in the right order, by anybody."""

from __future__ import annotations

import functools
import random
import re
import shutil
from xml.etree import ElementTree

import axe
import pytest
from bs4 import Tag
from pages import BOTH_NOW, CHAPTERS, HAN, LAPTOP, PAGES, PHONE, SAMPLE, SITE, parse, sampled

from downhill_course.notebook.views import SEPARATOR, TAGS, VIEWS
from downhill_course.pages.formulas import without_formulas
from downhill_course.pages.search import LATE, REPLACED, WORDS, Page, linear, plain_formula

LENGTHS = (2, 3, 4, 7)
KINDS = {
    "headings": "h1, h2, h3, h4",
    "paragraphs": ".passage > p, section > p",
    "captions": "figcaption p",
    "cells": "td p, th p, td:not(:has(p)), th:not(:has(p))",
    "items": "li > p",
    "terms": "dl.terms dt",
    "signatures": "dt.sig",
    "output": ".cell_output pre",
    "code": ".cell_input pre",
    "pictures": "img[alt]",
}
# What the search shows for a query: addresses, in order.
FOUND = """(query) => downhillSearch.find(query).pages.map((page) =>
  ({ page: page.address, title: page.title, hits: page.hits.map((hit) => hit.address) }))"""
EVERY = f"(queries) => queries.map({FOUND})"


def ask(page, *queries: str) -> list:
    return page.evaluate(EVERY, list(queries))


@pytest.fixture(scope="module")
def searches(chrome, address):
    """The search page of each view, opened once."""
    opened = {}
    for view in VIEWS:
        opened[view] = chrome.new_page()
        opened[view].goto(f"{address}/{view}/search.html")
    yield opened
    for page in opened.values():
        page.close()


# --- What stands in a page --------------------------------------------------------------------------------------


@functools.cache
def readable(view: str, page: str) -> Tag:
    """The article without what is no text: formulas become a bar, which no phrase runs across.

    A question holds its answer: the search leaves both out, lest a result give it away.
    """
    source = without_formulas((SITE / view / page).read_text(encoding="utf-8"), "katex", instead="|")
    article = parse(source).select_one("article")
    ours = ".chapter-end, .headerlink, .launch, .page-tools, .question, .tips, .today"
    for element in article.select(f"{ours}, script, style, svg, template, button, nav"):
        element.decompose()
    return article


@functools.cache
def ids_of(view: str, page: str) -> set[str]:
    """The places of a page's readable part: a result that leads to its furniture is wrong."""
    return {element["id"] for element in readable(view, page).select("[id]")}


def anchors(element: Tag, page: str) -> set[str]:
    """Where a result may lead for this element: its entry, term, assignment or section, by any of its names."""
    entry = element if element.name == "dt" else element.find_parent("dd")
    if entry and entry.name == "dd":
        entry = entry.find_previous_sibling("dt")
    if entry and entry.get("id"):
        return {f"{page}#{entry['id']}"}
    section = element.find_parent("section")
    before = [element, *element.find_all_previous(class_="assignment-title")]
    titles = (each for each in before if "assignment-title" in each.get("class", []))
    section = next((title for title in titles if title.find_parent("section") is section), section)
    if section.name == "section" and not section.find_parent("section"):
        return {page}
    return {f"{page}#{name['id']}" for name in [section, *section.find_all("span", id=True, recursive=False)]}


def words_of(element: Tag) -> str:
    return element["alt"] if element.name == "img" else element.get_text()


def samples(view: str, name: str, pattern, lengths, per_kind: int = 2) -> list[tuple[str, str, list[str]]]:
    """Phrases of every kind of text of a page, each with where it may be found. The same ones in every run."""
    rng = random.Random(f"{view}/{name}")
    chosen = []
    article = readable(view, f"{name}.html")
    for kind, selector in KINDS.items():
        places = [(element, run) for element in article.select(selector) for run in pattern.findall(words_of(element))]
        for length in lengths:
            long = [(element, run) for element, run in places if len(run) >= length]
            for element, run in rng.sample(long, min(per_kind, len(long))):
                start = rng.randrange(len(run) - length + 1)
                phrase = run[start : start + length]
                chosen.append((kind, phrase, sorted(anchors(element, f"{name}.html"))))
    return chosen


def double_first(single: str) -> list:
    """View and name: the sample's pages in the double view, and in a single one the chapter with most formulas."""
    rows = [
        (view, name, name in SAMPLE and (view == "both" or name == "03-momentum"))
        for view in ("both", single)
        for name in PAGES
    ]
    return [pytest.param(view, name, marks=() if now else pytest.mark.slow) for view, name, now in rows]


@pytest.mark.parametrize(("view", "name"), double_first("zh"))
def test_a_chinese_phrase_leads_to_its_section(searches, view, name):
    chosen = samples(view, name, re.compile(f"[{HAN}]+"), LENGTHS)
    assert chosen
    lost = []
    for (kind, phrase, places), pages in zip(chosen, ask(searches[view], *[c[1] for c in chosen]), strict=True):
        hits = {hit for page in pages for hit in page["hits"]}
        if not hits & set(places):
            lost.append(f"{kind}: {phrase} stands in {places}, found in {sorted(hits)[:5]}")
    assert lost == []


WHOLE = r"[\w|’'-]"  # whole words only: a formula's letters may be part of one, as in “the tth”
ENGLISH = re.compile(rf"(?<!{WHOLE})[A-Za-z]{{2,}}(?: [A-Za-z]{{2,}}){{0,3}}(?!{WHOLE})")


@pytest.mark.parametrize(("view", "name"), double_first("en"))
def test_english_words_lead_to_their_section(searches, view, name):
    rng = random.Random(name)
    article = readable(view, f"{name}.html")
    chosen = []
    for kind, selector in KINDS.items():
        runs = [(e, run) for e in article.select(selector) for run in ENGLISH.findall(re.sub(r"\s+", " ", words_of(e)))]
        for element, run in rng.sample(runs, min(6, len(runs))):
            chosen.append((kind, run, anchors(element, f"{name}.html")))
    assert chosen
    lost = []
    for (kind, phrase, places), pages in zip(chosen, ask(searches[view], *[c[1] for c in chosen]), strict=True):
        if not places & {hit for page in pages for hit in page["hits"]}:
            lost.append(f"{kind}: {phrase} of {sorted(places)}")
    assert lost == []


@pytest.mark.parametrize("view", BOTH_NOW)
def test_every_result_leads_to_a_place_that_is_there(searches, view):
    pages = searches[view].evaluate("""() => "a e i o 0 1 的 是 optlib".split(" ").flatMap((query) =>
      downhillSearch.find(query).pages.flatMap((page) => [page.address, ...page.hits.map((hit) => hit.address)]))""")
    assert len(set(pages)) > 300
    for target in set(pages):
        page, _, anchor = target.partition("#")
        assert not anchor or anchor in ids_of(view, page), target


@pytest.mark.parametrize("view", ["zh", "both"])
def test_what_stands_nowhere_is_not_claimed_to(searches, view):
    """Pairs of a phrase that stand apart do not make the phrase: the search says that it has parts only."""
    summary = "(query) => { const found = downhillSearch.find(query); return [found.whole, found.pages.length]; }"
    assert searches[view].evaluate(summary, "动量梯度学习率鞍点")[0] == 0
    assert searches[view].evaluate(summary, "甪镕")[1] == 0


def passages(page, query: str) -> list[dict]:
    return page.evaluate(
        """(query) => downhillSearch.find(query).pages.flatMap((page) => page.hits).map((hit) => hit.passage())
          .map(({ text, marks }) => ({ text, marked: marks.map(([start, end]) => text.slice(start, end)) }))""",
        query,
    )


@pytest.mark.parametrize("name", sampled(CHAPTERS))
def test_the_passage_shows_the_phrase_marked(searches, name):
    chosen = [c for c in samples("zh", name, re.compile(f"[{HAN}]+"), (4,)) if c[0] in ("paragraphs", "captions")]
    for _, phrase, _ in chosen:
        shown = passages(searches["zh"], phrase)
        assert any(phrase in passage["marked"] for passage in shown), phrase
        assert all(phrase in passage["text"] for passage in shown if passage["marked"])
        assert all(len(passage["text"]) < 320 for passage in shown)


# --- Ranking ----------------------------------------------------------------------------------------------------


@functools.cache
def titles(view: str) -> dict[str, str]:
    """What each page is called; only that is parsed of it."""
    heads = {name: re.search("<h1.*?</h1>", (SITE / view / f"{name}.html").read_text("utf-8"), re.S) for name in PAGES}
    headings = {name: parse(head[0]).h1 for name, head in heads.items()}
    for heading in headings.values():
        for link in heading.select(".headerlink"):
            link.decompose()
    return {name: heading.get_text().strip() for name, heading in headings.items()}


@pytest.mark.parametrize("view", VIEWS)
def test_a_page_is_first_for_its_title(searches, view):
    for name, title in titles(view).items():
        for query in title.split(SEPARATOR):
            assert ask(searches[view], query)[0][0]["page"] == f"{name}.html", query


@pytest.mark.parametrize("view", VIEWS)
def test_a_chapter_comes_before_its_deeper_page(searches, view):
    """Whoever types what their titles share, is led to the chapter first."""
    deeper = {name: title for name, title in titles(view).items() if name.endswith("-deeper")}
    assert deeper
    for name, title in deeper.items():
        for half in title.split(SEPARATOR):
            query = re.sub(r"\W*(deeper|深入)$", "", half, flags=re.I)
            assert query not in ("", half)
            shown = [found["page"] for found in ask(searches[view], query)[0]]
            assert shown.index(f"{name.removesuffix('-deeper')}.html") < shown.index(f"{name}.html"), query


@pytest.mark.parametrize("view", VIEWS)
def test_titles_come_before_headings_and_headings_before_text(searches, view):
    pieces = {p for t in titles(view).values() for p in re.findall(f"[{HAN}]{{2}}|[A-Za-z]{{4,}}", t)}
    for query in sorted(pieces):
        scores = searches[view].evaluate(
            """(query) => downhillSearch.find(query).pages
                 .filter((page) => !/^(api|coverage|instructors|news|references|sources|students)/.test(page.address))
                 .flatMap((page) => page.hits).map((hit) => [hit.score, hit.top ? 0 : 1, hit.heading])""",
            query,
        )
        ranked = [(rank, query in heading) for _, rank, heading in sorted(scores, reverse=True)]
        if re.search(f"[{HAN}]", query):  # an English word may stand there in another form
            kinds = [(2 if not inside else rank) for rank, inside in ranked]
            assert kinds == sorted(kinds), query


RANKED = """(query) => downhillSearch.find(query).pages.flatMap((page) => page.hits)
  .sort((a, b) => b.score - a.score).map((hit) => [hit.address, hit.heading])"""


@pytest.mark.parametrize("name", sampled(CHAPTERS))
@pytest.mark.parametrize("view", BOTH_NOW)
def test_only_a_like_heading_is_ranked_before_a_heading(searches, view, name):
    for heading in readable(view, f"{name}.html").select("h2"):
        text = heading.get_text().replace("|", " ").strip()
        places = anchors(heading, f"{name}.html")
        shown = searches[view].evaluate(RANKED, text)
        before = [shown[i] for i in range(next(i for i, (hit, _) in enumerate(shown) if hit in places))]
        alike = re.findall(f"[{HAN}]{{2,}}|[A-Za-z]{{4}}", text.lower())  # words in any form: by their first letters
        others = [hit for hit, title in before if not any(word in title.lower() for word in alike)]
        assert others == [], f"{text}: these are ranked before {places}"


@pytest.mark.parametrize(
    ("view", "query", "first"),
    [
        ("en", "momentum", "03-momentum.html"),
        ("en", "adam", "05-adam.html"),
        ("zh", "动量", "03-momentum.html"),
        ("both", "Adam", "05-adam.html"),
        ("both", "学习率技巧", "10-schedules.html"),
        ("zh", "术语表", "glossary.html"),
    ],
)
def test_what_readers_look_for_most(searches, view, query, first):
    assert ask(searches[view], query)[0][0]["page"] == first


def test_an_exact_phrase_comes_before_its_words(searches):
    ranked = [hit for hit, _ in searches["en"].evaluate(RANKED, "heavy ball")]
    [quoted, loose] = ask(searches["en"], '"heavy ball"', "heavy ball")
    assert {h for p in quoted for h in p["hits"]} <= {h for p in loose for h in p["hits"]}
    assert set(ranked[:5]) <= {h for p in quoted for h in p["hits"]}
    assert ask(searches["en"], '"ball heavy"')[0] == []


# What people ask about the subject in public, each with the pages that answer it.
REAL = {
    "en": {
        "why is my loss nan": "02-challenges-deeper",
        "loss goes up instead of down": "00-descent 02-challenges 02-challenges-deeper",
        "how to choose learning rate": "00-descent 04-adaptive 06-choosing 10-schedules",
        "learning rate finder": "10-schedules 10-schedules-deeper glossary",
        "learning rate too high": "00-descent 06-choosing 10-schedules 02-challenges-deeper",
        "which optimizer should I use": "06-choosing",
        "best optimizer": "06-choosing",
        "adam vs sgd": "05-adam 05-adam-deeper",
        "difference between adam and adamw": "05-adam 05-adam-deeper",
        "difference between momentum and nesterov": "03-momentum",
        "what is bias correction": "05-adam",
        "what does epsilon do in adam": "05-adam-deeper conventions",
        "how to choose batch size": "01-variants",
        "does batch size affect learning rate": "01-variants 10-schedules",
        "what is a saddle point": "02-challenges",
        "stuck in a local minimum": "02-challenges",
        "vanishing gradients": "02-challenges 02-challenges-deeper glossary",
        "exploding gradients": "02-challenges 02-challenges-deeper glossary",
        "gradient clipping": "02-challenges glossary",
        "when to stop training": "09-data-and-model",
        "weight decay vs l2": "05-adam",
        "batch norm": "09-data-and-model",
        "hogwild lock free": "07-parallel",
        "parameter server": "08-cluster glossary",
        "resume training": "recipes 08-cluster glossary",
        "maximize instead of minimize": "recipes",
        "my network does not learn": "02-challenges-deeper recipes",
        "why squares instead of absolute values": "recipes",
        "gradient accumulation": "01-variants-deeper glossary",
        "gpu out of memory smaller batch": "01-variants-deeper glossary",
        "check my gradient": "glossary 01-variants-deeper 00-descent-deeper",
        "how many epochs should I train": "09-data-and-model",
        "why does sgd oscillate": "03-momentum",
        "sparse features which optimizer": "04-adaptive 06-choosing",
        "train on multiple gpus": "08-cluster",
        "asynchronous sgd stale gradients": "07-parallel",
        "is adam still the best optimizer": "05-adam 06-choosing 11-after",
        "why adagrad stops learning": "04-adaptive",
        "reproducible results random seed": "glossary recipes conventions",
    },
    "zh": {
        "损失变成NaN怎么办": "02-challenges-deeper",
        "学习率怎么选": "10-schedules 04-adaptive",
        "学习率太大会怎样": "02-challenges-deeper 00-descent",
        "局部最小值": "02-challenges glossary",
        "鞍点是什么": "02-challenges",
        "梯度消失": "02-challenges-deeper glossary",
        "梯度裁剪": "02-challenges glossary",
        "动量和Nesterov的区别": "03-momentum",
        "Adam和SGD哪个好": "05-adam",
        "AdamW和Adam的区别": "05-adam",
        "偏差修正": "05-adam",
        "批量大小怎么选": "01-variants 01-variants-deeper",
        "早停": "09-data-and-model",
        "断点续训": "recipes 08-cluster glossary",
        "求最大值": "recipes",
        "网络学不动": "02-challenges-deeper recipes",
        "为什么用平方不用绝对值": "recipes",
        "梯度累积": "01-variants-deeper glossary",
        "显存不够怎么办": "01-variants-deeper glossary",
        "临界阻尼": "03-momentum",
        "优化器怎么选": "06-choosing",
        "参数服务器": "08-cluster glossary",
        "为什么损失来回震荡": "03-momentum 00-descent",
        "动量一般取多少": "03-momentum",
        "多卡训练": "08-cluster",
        "大模型用什么优化器": "11-after",
        "权重衰减取多大": "05-adam 11-after",
        "过拟合怎么解决": "09-data-and-model",
        "训练多少轮合适": "09-data-and-model 12-train",
        "Adagrad学习率越来越小": "04-adaptive",
    },
}


@pytest.mark.parametrize("view", REAL)
def test_real_questions_are_answered_in_the_first_three_results(searches, view):
    """`pytest -k real_questions -s` prints the rank of each answer."""
    late = []
    for (query, answers), pages in zip(REAL[view].items(), ask(searches[view], *REAL[view]), strict=True):
        shown = [found["page"].removesuffix(".html") for found in pages]
        rank = next((i for i, page in enumerate(shown, 1) if page in answers.split()), None)
        print(f"{rank or '-':>3}  {query}")
        if rank is None or rank > 3:
            late.append(f"{query}: {shown[:5]}")
    assert late == []


def test_a_word_typed_wrong_is_corrected_at_once(visit):
    page = visit("en/search.html?q=nestorov")
    status = page.locator("#search-status").inner_text()
    assert "nestorov" in status
    assert "nesterov" in status
    assert page.locator("#search-results h2 a").first.get_attribute("href") == "03-momentum.html"
    assert page.locator("#search-help").is_hidden()


def test_the_course_comes_before_what_only_lists(searches):
    for query in ("cosine", "nesterov", "dropout", "early stopping"):
        shown = [found["page"] for found in ask(searches["en"], query)[0]]
        lists = [i for i, page in enumerate(shown) if page.startswith(("api", "coverage", "sources"))]
        assert re.match(r"\d\d-|glossary", shown[0]), query
        assert min(lists, default=9) > 0, query
    assert ask(searches["en"], "schedules.cosine")[0][0]["page"].startswith("api")


# --- Queries as people type them ----------------------------------------------------------------------------------


def places(page, query: str) -> set[str]:
    return {hit for found in ask(page, query)[0] for hit in found["hits"]}


@pytest.mark.parametrize("name", sampled(CHAPTERS))
def test_an_english_word_is_found_in_any_form(searches, name):
    text = readable("en", f"{name}.html").get_text(" ")
    for word in random.Random(name).sample(sorted(set(re.findall(r"\b[a-z]{4,}ing\b", text))), 5):
        assert any(found["page"] == f"{name}.html" for found in ask(searches["en"], word + "s")[0]), word


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("optimise", "optimize"), ("optimisation", "Optimization"), ("ANALYSE", "analyze"), ("converges", "converging"),
        ("learning-rate", "learning_rate"), ("ADAM", "adam"), ("Ａｄａｍ", "Adam"), ("  adam  ", "adam"),
    ],
)  # fmt: skip
def test_spellings_are_one(searches, one, other):
    assert places(searches["en"], one) == places(searches["en"], other) != set()


@pytest.mark.parametrize(
    ("view", "query", "place"),
    [
        ("en", "momen", "03-momentum.html"),
        ("en", "warmup", "10-schedules.html#warm-up"),
        ("en", "warm-up", "10-schedules.html#warm-up"),
        ("en", "rules.adam", "api-rules.html#optlib.rules.adam"),
        ("en", "the rate of the descent", "00-descent.html"),
        ("zh", "矩", "glossary.html#term-moment"),
        ("zh", "动量 下降", "03-momentum.html#momentum-stability"),
        ("zh", "动量，下降", "03-momentum.html#momentum-stability"),
        ("zh", "Adam偏差校正", "05-adam.html#adam-bias"),
        ("zh", "Adam 偏差修正", "05-adam.html#adam-bias"),
        ("zh", "学习率 warm-up", "10-schedules.html#schedules-warmup"),
        ("zh", "SGD的随机性", "01-variants.html"),
        ("zh", "momentum", "glossary.html#term-momentum"),
        ("both", "鞍点 saddle", "glossary.html#term-saddle-point"),
        ("both", "“鞍点”", "glossary.html#term-saddle-point"),
    ],
)
def test_half_words_mixed_queries_and_punctuation(searches, view, query, place):
    page = place.partition("#")[0]
    found = places(searches[view], query)
    ids = anchors_of_page(view, place)
    assert found & ids if "#" in place else any(hit.startswith(page) for hit in found), sorted(found)[:8]


def anchors_of_page(view: str, place: str) -> set[str]:
    """All the names of the place: a label and Sphinx's own id may lead to the same section."""
    page, _, name = place.partition("#")
    element = readable(view, page).find(id=name)
    assert element or not name, f"{place} is not in the book"
    if not element or element.name == "dt":
        return {place}
    section = element if element.name == "section" else element.parent
    return {f"{page}#{each['id']}" for each in [section, *section.find_all("span", id=True, recursive=False)]}


HOSTILE = [
    ".*", "(", "[a-", "\\", "a{1,", "^$", "$&", "%", "%E4%B8", "&amp;", "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>", "'\"`", "${1}", "{q}", "{n}", "__proto__", "constructor", "hasOwnProperty",
    "toString", "AND OR NOT", "-adam", "+adam", "title:adam", "*", "adam*", '"', '"adam', "“”", "\ud800", "😀",
    "\u0000", "\u202e动量", "a" * 5000, "梯" * 5000, "梯度下降" * 200, "a b " * 500, "é" * 500, "ﷺ" * 50,
]  # fmt: skip


@pytest.mark.parametrize("view", BOTH_NOW)
def test_no_query_breaks_the_search(visit, view):
    page = visit(f"{view}/search.html")
    for query in HOSTILE:
        page.evaluate(
            """(query) => { const box = document.getElementById("search-query"); box.value = query;
               box.dispatchEvent(new InputEvent("input")); }""",
            query,
        )
        assert page.locator("#search-status").inner_text().strip() or not query.strip(), repr(query)
    assert page.locator("#search-results script, #search-results img, #search-status img").count() == 0
    assert page.troubles == []
    page.locator("#search-query").fill("adam")  # and it works still
    assert page.locator("#search-results a").count() > 3


# --- The search page ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", VIEWS)
def test_the_page_counts_and_groups_what_it_found(visit, view):
    query = "momentum" if view == "en" else "动量"
    page = visit(f"{view}/search.html?q={query}")
    whole = page.evaluate("(q) => downhillSearch.find(q).whole", query)
    pages = ask(page, query)[0]
    status = page.locator("#search-status")
    assert str(whole) in status.inner_text()
    assert str(len(pages)) in status.inner_text()
    assert status.get_attribute("role") == "status"
    links = page.locator("#search-results h2 a")
    assert [link.get_attribute("href") for link in links.all()] == [found["page"] for found in pages]
    passage = page.locator(".search-passage:has(mark)").first
    assert passage.get_attribute("lang") == ("en" if view == "en" else "zh-CN")
    before = page.locator("#search-results .search-passage").count()
    page.locator("#search-results summary").first.click()
    page.wait_for_function(f"document.querySelectorAll('#search-results .search-passage').length > {before}")
    assert page.troubles == []


@pytest.mark.parametrize("view", VIEWS)
def test_the_page_speaks_the_language_of_the_view(visit, view):
    """With results, without, and before the reader has typed."""
    page = visit(f"{view}/search.html")
    for query in ("", "adam", "zqzqzq", "...", "adam zqzqzq"):
        page.locator("#search-query").fill(query)
        page.wait_for_function(
            "(query) => new URLSearchParams(location.search).get('q') === (query || null)", arg=query
        )
        said = page.locator("#search-status, #search-help, #search-hint, summary, h1, button")
        text = " ".join(said.all_inner_texts()).replace("中文", "").replace("双语", "")
        chinese, english = (
            bool(re.search(f"[{HAN}]", text)),
            bool(re.search(r"[A-Za-z]{3}", re.sub("adam|zqzqzq", "", text))),
        )
        assert (english, chinese) == ("en" in VIEWS[view].languages, "zh" in VIEWS[view].languages), text


@pytest.mark.parametrize("view", BOTH_NOW)
def test_nothing_found_is_said_with_what_to_do(visit, view):
    page = visit(f"{view}/search.html?q=nestorov+zqzqzq")
    assert "nestorov" in page.locator("#search-status").inner_text()
    help_ = page.locator("#search-help")
    assert "glossary.html" in [a.get_attribute("href") for a in help_.locator("a").all()]
    others = [other.name for other in VIEWS.values() if other.name != view]
    hrefs = [a.get_attribute("href") for a in help_.locator("#search-views a").all()]
    assert [href.split("/")[-2] for href in hrefs] == others
    assert all(href.endswith("search.html?q=nestorov+zqzqzq") for href in hrefs)
    help_.locator("#search-maybe a").click()
    page.wait_for_url("**/search.html?q=nesterov+zqzqzq")
    assert page.locator("#search-results a").count() > 3


def test_the_address_keeps_the_query_and_the_switch_takes_it_along(visit):
    page = visit("en/search.html")
    assert page.locator("#search-hint").is_visible()
    page.keyboard.type("saddle 鞍点")  # the box has the focus
    page.wait_for_url("**/search.html?q=saddle+*")
    assert page.locator("#search-hint").is_hidden()
    page.locator(".view-switch:visible a[data-view=both]").click()
    page.wait_for_url("**/both/search.html?q=saddle+*")
    assert page.locator("#search-query").input_value() == "saddle 鞍点"
    page.locator("#search-query").fill("")
    page.wait_for_url("**/both/search.html")


@pytest.mark.parametrize("view", VIEWS)
def test_without_scripts_the_page_says_so(visit, view):
    page = visit(f"{view}/search.html?q=adam", java_script_enabled=False)
    lines = page.locator("article noscript p")
    assert [line.get_attribute("lang") for line in lines.all()] == [TAGS[name] for name in VIEWS[view].languages]
    assert all("JavaScript" in text for text in lines.all_inner_texts())
    assert page.locator("#search-form").is_hidden()


def test_an_index_that_does_not_load_is_said(chrome, address):
    page = chrome.new_page()
    page.route("**/search-index.js", lambda route: route.abort())
    page.goto(f"{address}/en/search.html?q=adam")
    assert page.locator("#search-status").inner_text() == WORDS["failed"].split(SEPARATOR)[0]
    page.goto(f"{address}/en/03-momentum.html")
    page.locator(".sidebar-search").fill("adam")
    page.locator(".search-popup [role=status]").wait_for()
    assert page.locator(".search-popup [role=status]").inner_text() == WORDS["failed"].split(SEPARATOR)[0]
    page.close()


@pytest.mark.parametrize(
    ("view", "size", "scheme"),
    [
        ("both", PHONE, "dark"),
        ("zh", LAPTOP, "light"),
        pytest.param("both", LAPTOP, "light", marks=pytest.mark.slow),
        pytest.param("zh", PHONE, "dark", marks=pytest.mark.slow),
        pytest.param("en", PHONE, "dark", marks=pytest.mark.slow),
        pytest.param("en", LAPTOP, "light", marks=pytest.mark.slow),
    ],
)
def test_everyone_can_use_it(visit, view, size, scheme):
    page = visit(f"{view}/search.html?q=Adam", size, color_scheme=scheme)
    for query in ("Adam", "nestorov", ""):
        page.locator("#search-query").fill(query)
        assert axe.faults(page, "article") == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page = visit(f"{view}/00-descent.html", size, color_scheme=scheme)
    page.keyboard.press("Control+k")
    page.keyboard.type("Adam")
    page.locator(".search-popup li").first.wait_for()
    page.keyboard.press("ArrowDown")
    assert axe.faults(page, ".sidebar-search-container") == []
    box = page.locator(".search-popup").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= size["width"]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


# --- The box in the sidebar ---------------------------------------------------------------------------------------


def test_the_box_by_keyboard(visit):
    page = visit("zh/glossary.html")  # no picture there loads a script of its own
    loaded = []
    page.on("request", lambda request: loaded.append(request.url.rpartition("/")[2]))
    assert page.evaluate("typeof downhillSearch") == "undefined"
    page.keyboard.press("Control+k")
    box = page.locator(".sidebar-search")
    assert box.evaluate("(box) => box === document.activeElement")
    page.keyboard.type("学习率")
    options = page.locator("#search-list [role=option]")
    options.first.wait_for()
    assert [name for name in loaded if name.endswith(".js")] == ["search.js", "search-index.js"]
    assert box.get_attribute("aria-expanded") == "true"
    assert page.locator(".search-popup [role=status]").inner_text().startswith("找到")
    assert box.get_attribute("aria-activedescendant") is None
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert box.get_attribute("aria-activedescendant") == "search-option-1"
    assert options.nth(1).get_attribute("aria-selected") == "true"
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert box.get_attribute("aria-activedescendant") is None
    page.keyboard.press("Escape")
    assert page.locator(".search-popup").is_hidden()
    assert box.input_value() == "学习率"
    page.keyboard.press("ArrowDown")
    options.first.wait_for()
    page.keyboard.press("ArrowDown")
    target = options.first.get_attribute("data-address")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/zh/{target.removeprefix('./')}")
    assert page.troubles == []


def test_enter_leads_to_the_search_page_and_so_does_the_last_line(visit):
    page = visit("en/03-momentum.html")
    page.locator(".sidebar-search").fill("step size")
    last = page.locator("#search-list [role=option]").last
    last.wait_for()
    last.click()
    page.wait_for_url("**/en/search.html?q=step+size")
    page.go_back()
    page.locator(".sidebar-search").fill("step size")
    page.keyboard.press("Enter")
    page.wait_for_url("**/en/search.html?q=step+size")
    assert page.locator("#search-results a").count() > 3


def test_on_a_phone_the_keys_open_the_drawer(visit):
    page = visit("en/03-momentum.html", PHONE)
    page.keyboard.press("Control+k")
    page.keyboard.type("saddle")
    page.locator("#search-list [role=option]").first.wait_for()
    page.wait_for_function("document.querySelector('.sidebar-search').getBoundingClientRect().left >= 0")
    page = visit("en/search.html?q=a", PHONE)
    page.keyboard.press("Control+k")
    assert page.evaluate("document.activeElement.id") == "search-query"


def test_a_half_typed_chinese_word_is_not_searched(visit):
    """An input method writes Latin letters into the box until the reader has chosen the characters."""
    page = visit("zh/search.html?q=鞍点")
    shown = page.locator("#search-results").inner_text()
    page.evaluate("""() => { const box = document.getElementById("search-query"); box.value = "鞍点 dongl";
      box.dispatchEvent(new InputEvent("input", { isComposing: true })); }""")
    assert page.locator("#search-results").inner_text() == shown


# --- On the page that was found -------------------------------------------------------------------------------------

MARKED = "() => [...(CSS.highlights.get('search') ?? [])].map(String)"


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_the_result_leads_to_its_section_where_the_words_are_marked(visit, address, scheme):
    page = visit("zh/search.html?q=临界摩擦", base=address if scheme == "http" else SITE.as_uri())
    page.locator(".search-section a[href*='03-momentum']").first.click()
    page.wait_for_url(re.compile(r"/zh/03-momentum\.html#"))
    page.wait_for_function("CSS.highlights.has('search')")
    assert set(page.evaluate(MARKED)) == {"临界摩擦"}
    seen = """() => { const { top, bottom } = [...CSS.highlights.get("search")][0].getBoundingClientRect();
      return top > 0 && bottom < innerHeight; }"""
    page.wait_for_function(seen)
    page.keyboard.press("Escape")
    assert page.evaluate(MARKED) == []
    page.reload()
    assert page.evaluate(MARKED) == []
    assert page.troubles == []


def test_words_are_marked_whole_and_closed_answers_open(visit):
    page = visit("en/03-momentum.html")
    page.evaluate("sessionStorage.setItem('downhill-found', JSON.stringify(['step']))")
    page.reload()
    marked = page.evaluate(
        """() => [...CSS.highlights.get("search")].map((range) => {
          const text = range.endContainer.data; return text[range.endOffset] ?? " "; })"""
    )
    assert marked
    assert not any(re.match(r"\w", after) for after in marked)
    page = visit("en/students.html")
    page.evaluate("sessionStorage.setItem('downhill-found', JSON.stringify(['eigvalsh']))")
    page.reload()
    page.wait_for_function("document.querySelector('details[open] pre')?.innerText.includes('eigvalsh')")


# --- Anywhere -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", BOTH_NOW)
def test_from_a_file_without_any_server(visit, view):
    page = visit(f"{view}/03-momentum.html", base=SITE.as_uri())
    page.locator(".sidebar-search").fill("鞍点" if view != "en" else "saddle")
    page.locator("#search-list [role=option]").first.wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/search\.html\?q="))
    page.locator("#search-query").fill("Adam")
    page.locator(".search-section a").first.click()
    page.wait_for_url(re.compile(r"file:.*/\d\d-.*\.html"))
    assert page.troubles == []


def test_below_another_address(chrome, tmp_path, served):
    """No address in the search begins at the server's root."""
    folder = tmp_path / "courses" / "downhill"
    shutil.copytree(SITE / "en", folder / "en", ignore=shutil.ignore_patterns("_images", "exercises", "notebooks"))
    base = f"{served(tmp_path)}/courses/downhill"
    page = chrome.new_page()
    page.goto(f"{base}/en/03-momentum.html")
    page.locator(".sidebar-search").fill("saddle")
    page.locator("#search-list [role=option]").first.wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url(f"{base}/en/search.html?q=saddle")
    page.locator(".search-section a").first.click()
    page.wait_for_url(f"{base}/en/*.html#*")
    page.close()


# --- What it weighs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("view", "most"), [("en", 1150), ("zh", 1150), ("both", 1700)])
def test_the_index_stays_small(view, most):
    size = (SITE / view / "search-index.js").stat().st_size
    assert 200_000 < size < most * 1000


@pytest.mark.parametrize("view", VIEWS)
def test_pages_load_no_search_that_nobody_asked_for(view):
    for name in [*PAGES, "search"]:
        text = (SITE / view / f"{name}.html").read_text(encoding="utf-8")
        sources = re.findall(r'<script\b[^>]*?\ssrc="([^"?]*)', text)
        scripts = [source.removeprefix("_static/") for source in sources]
        assert not set(scripts) & set(REPLACED)
        assert "search-box.js" in scripts
        assert (set(LATE) <= set(scripts)) == ("search-index.js" in scripts) == (name == "search")
    gone = [SITE / view / "searchindex.js", *(SITE / view / "_static" / name for name in REPLACED)]
    assert not any(path.exists() for path in gone)
    assert (SITE / view / "_static" / "search-box.js").stat().st_size < 10_000


# --- Reading a page -------------------------------------------------------------------------------------------------


def rows(body: str) -> list[list[str]]:
    return Page(f"<article>{body}</article>").rows()


def test_a_page_is_read_section_by_section():
    body = """<section id="a-b"><span id="top"></span><h1>A · 甲<a class="headerlink" href="#a-b">#</a></h1>
      <p>One <em>long</em>
      line<br>and <a href="#x">a link</a>.</p><p>度<em>量</em>衡</p>
      <section id="id1"><span id="sub"></span><h2>乙</h2><ul><li><p>first</p></li><li><p>second</p></li></ul>
      <pre>x = 1\n\n  y = 2</pre><img alt="a hill / 一座山" src="x.png"></section>
      <p>after</p></section><p class="page-tools">Download</p><script>no()</script>"""
    assert rows(body) == [
        ["", "A · 甲", "One long line and a link.\n度量衡\nafter"],
        ["sub", "乙", "first\nsecond", "x = 1\ny = 2\na hill\n一座山"],
    ]


def test_cells_of_a_row_stand_together_but_apart():
    body = "<table><tr><th><p>lr</p></th><td> <p>0.1</p>\n</td><td></td></tr><tr><td>a</td><td>b</td></tr></table>"
    assert rows(body) == [["", "", "lr | 0.1\na | b"]]


def test_a_question_and_its_answer_are_left_out_and_the_text_goes_on():
    body = """<section id="s"><h1>T</h1><section id="a"><h2>A</h2><p>before</p>
      <section class="today" aria-labelledby="today-title"><h3 id="today-title">Today</h3><p>due</p></section>
      <form class="question" id="q-a"><p class="question-name">Question</p><div id="q-a-ask"><p>How many?</p></div>
      <details class="question-answer"><summary>Answer</summary><p>Seven.<br>At last.</p></details></form>
      <p>after</p></section><p>end</p></section>"""
    assert rows(body) == [["", "T", "end"], ["a", "A", "before\nafter"]]


def test_terms_entries_and_assignments_are_sections():
    body = """<section id="s"><h1>T</h1><dl class="terms"><dt id="term-a">甲<span class="other-language">a</span></dt>
      <dd><p>one</p></dd><dt id="term-b">b</dt><dd><p>two</p></dd></dl>
      <dl class="py"><dt class="sig" id="optlib.f">optlib.f(x)</dt><dd><p>three</p></dd></dl><p>four</p>
      <section id="e"><h2>E</h2><p class="assignment-title" id="ex"><b>00</b></p><p>five</p></section></section>"""
    assert rows(body) == [
        ["", "T", "four"],
        ["term-a", "甲 · a", "one"],
        ["term-b", "b", "two"],
        ["optlib.f", "optlib.f", "optlib.f(x)\nthree"],
        ["e", "E", ""],
        ["ex", "00", "five"],
    ]


@pytest.mark.parametrize(
    ("formula", "line"),
    [
        ("<msub><mi>θ</mi><mrow><mi>t</mi><mo>+</mo><mn>1</mn></mrow></msub>", "θ_(t+1)"),
        ("<mfrac><mn>1</mn><mi>n</mi></mfrac>", "1/n"),
        ('<mover accent="true"><mi>m</mi><mo>^</mo></mover>', "m̂"),
        ("<msqrt><mi>v</mi></msqrt>", "√(v)"),
        ("<msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup>", "x_i^2"),
        ("<semantics><mrow><mi>η</mi></mrow><annotation>\\eta</annotation></semantics>", "η"),
    ],
)
def test_a_formula_in_one_line(formula, line):
    assert linear(ElementTree.fromstring(f"<math>{formula}</math>")) == line


def test_a_formula_cannot_break_the_page():
    assert rows("<p>if <math><mi>a</mi><mo>&lt;</mo><mi>b</mi></math> then</p>") == [["", "", "if a<b then"]]
    assert plain_formula(re.match(".*", "<math><mo>&lt;</mo></math>")) == "&lt;"


def test_every_word_of_the_search_is_in_both_languages():
    for sentence in WORDS.values():
        english, separator, chinese = sentence.partition(SEPARATOR)
        assert separator
        assert SEPARATOR not in chinese
        assert not re.search(f"[{HAN}]", english)
        assert re.search(f"[{HAN}]", chinese)
        assert re.findall(r"\{\w+\}", english) == re.findall(r"\{\w+\}", chinese) or sorted(
            re.findall(r"\{\w+\}", english)
        ) == sorted(re.findall(r"\{\w+\}", chinese))
