// The search: which sections of the book hold what the reader looks for, best first.
// The text comes from search-index.js, a script, so that all of it works from file:// too.
//
// Chinese has no spaces: a run of Han characters is looked for as it stands. Other words are compared by their English
// stem or by their beginning. A section found by its heading comes before one found by its text, the whole phrase
// before all words, and all words before some; a chapter before the deeper page beside it.
const downhillSearch = (() => {
  "use strict";
  const HAN = /\p{Script=Han}+/gu;
  const LETTER = "(?:(?!\\p{Script=Han})[\\p{L}\\p{N}\\p{M}])";
  const WORD = new RegExp(`\\p{N}+(?:\\.\\p{N}+)+|${LETTER}+(?:[-‐‑_'’]${LETTER}+)*`, "gu");
  const TERM = new RegExp(`${HAN.source}|${WORD.source}`, "gu");
  const JOINT = /[-‐‑_'’]/;
  const APART = /[\p{L}\p{N}|\n]/u; // a phrase runs neither across a word, nor across cells or paragraphs
  const SHORTEST_BEGINNING = 3;
  const LONGEST_QUERY = 200;
  const REFERENCE = /^(api|coverage|instructors|news|references|sources|students)/; // pages that list: who asks for something reads of it first
  const FIELDS = { context: 0.5, heading: 8, text: 2, code: 0.6 };

  let sections = [], pages = [], stop = new Set(), asking = null, synonyms = [], stemmer = null;
  let postings = null; // word as it is written -> where it stands, and its letters alone
  let keys = null; // stem -> words

  function load(englishStemmer, data) {
    stemmer = englishStemmer;
    stop = new Set(data.stop);
    asking = new RegExp(data.asking.join("|"), "gu");
    synonyms = data.synonyms.map(([form, own, always]) => ({ own, always, pattern: standing(form) }));
    pages = data.pages.map(([address, title]) => ({ address, title, deeper: address.endsWith("-deeper.html"),
      reference: REFERENCE.test(address) }));
    sections = data.pages.flatMap(([, title, rows], page) => rows.map(([anchor, heading, text, code = ""], i) =>
      ({ page, anchor, heading, text, code, context: i ? title : "", top: i === 0 })));
    postings = keys = null;
  }

  // --- Words ------------------------------------------------------------------------------------------------------

  const fold = (word) => word.toLowerCase().normalize("NFD").replace(/\p{M}/gu, "").replace(/ł/g, "l");
  // British and American endings are one: optimise, optimize; analyse, analyze.
  const oneSpelling = (word) => word.replace(/([iy])s(e[rsd]?|ers|ing|ations?)$/, "$1z$2");
  const stem = (word) => (/^[a-z]{3,}$/.test(word) ? stemmer.stemWord(oneSpelling(word)) : word);
  const joined = (word) => fold(word).split(JOINT).join("");

  // “warm-up” is found as warmup, warm and up; learning_rate as learning and rate.
  function keysOf(word) {
    const parts = fold(word).split(JOINT);
    return new Set([parts.join(""), ...parts].map(stem));
  }

  function prepare() {
    if (postings) return;
    postings = new Map();
    keys = new Map();
    sections.forEach((section, index) => {
      for (const field in FIELDS) {
        for (const [word] of section[field].matchAll(WORD)) {
          const lower = word.toLowerCase();
          if (!postings.has(lower)) {
            postings.set(lower, { letters: joined(lower), places: [] });
            for (const key of keysOf(lower)) keys.has(key) ? keys.get(key).push(lower) : keys.set(key, [lower]);
          }
          postings.get(lower).places.push([index, field]);
        }
      }
    });
  }

  // --- Terms: each knows where it stands in a text, and how often in every section -----------------------------------

  // The places of a term, added up: section -> how often in each of its fields.
  function count(places) {
    const found = new Map();
    for (const [index, field, weight] of places) {
      if (!found.has(index)) found.set(index, { context: 0, heading: 0, text: 0, code: 0 });
      found.get(index)[field] += weight;
    }
    return found;
  }

  function hanTerm(run) {
    const places = [];
    sections.forEach((section, index) => {
      for (const field in FIELDS) if (section[field].includes(run)) places.push([index, field, 1]);
    });
    const spans = (text) => {
      const all = [];
      for (let at = text.indexOf(run); at >= 0; at = text.indexOf(run, at + run.length)) all.push([at, at + run.length]);
      return all;
    };
    return { query: run, found: count(places), spans, optional: !run.replace(asking, "") };
  }

  function wordTerm(word) {
    const exact = new Set(keys.get(stem(joined(word))) ?? []);
    const beginning = joined(word);
    const weights = new Map([...exact].map((other) => [other, 1]));
    for (const [other, { letters }] of beginning.length < SHORTEST_BEGINNING ? [] : postings) {
      if (!exact.has(other) && letters.startsWith(beginning)) weights.set(other, 0.3);
    }
    const places = [...weights].flatMap(([other, weight]) =>
      postings.get(other).places.map(([index, field]) => [index, field, weight]));
    const spans = (text) => [...text.matchAll(WORD)].filter((match) => weights.has(match[0].toLowerCase()))
      .map((match) => [match.index, match.index + match[0].length]);
    return { query: word, found: count(places), spans, optional: stop.has(word.toLowerCase()) };
  }

  // “learning-rate” is also found as learning_rate and as learning rate.
  function compoundTerm(word) {
    const whole = wordTerm(word), parts = word.split(JOINT).map(wordTerm);
    const spans = (text) => union([...whole.spans(text), ...phraseSpans(parts, text)]);
    const places = sections.flatMap((section, index) =>
      whole.found.has(index) || parts.every((part) => part.found.has(index))
        ? Object.keys(FIELDS).map((field) => [index, field, spans(section[field]).length]).filter(([, , many]) => many)
        : []);
    return places.length ? [{ query: word, found: count(places), spans, optional: false }] : parts;
  }

  // A run that stands nowhere: the longest pieces of it that do.
  function pieces(run) {
    const stands = (piece) => sections.some((section) => section.heading.includes(piece)
      || section.text.includes(piece) || section.code.includes(piece));
    const found = [];
    for (let start = 0; start < run.length - 1;) {
      let end = start + 1;
      while (end < run.length && stands(run.slice(start, end + 1))) end++;
      if (end > start + 1) found.push(run.slice(start, end));
      start = end > start + 1 ? end : start + 1;
    }
    return found;
  }

  function termsOf(text, note = () => {}) {
    return (text.match(TERM) ?? []).flatMap((part) => {
      if (!/^\p{Script=Han}/u.test(part)) return JOINT.test(part) ? compoundTerm(part) : [wordTerm(part)];
      const term = hanTerm(part);
      if (term.found.size || term.optional) return [term];
      const asked = part.split(asking).filter((piece) => piece.length > 1);
      if (asked.length && asked.join("") !== part) return termsOf(asked.join(" "), note);
      const parts = pieces(part);
      note(parts.length > 1);
      return parts.length ? parts.map(hanTerm) : [term];
    });
  }

  function understand(query) {
    const clean = query.normalize("NFKC").slice(0, LONGEST_QUERY);
    let split = false;
    const terms = termsOf(clean, (apart) => { split ||= apart; });
    if (terms.length && terms.every((term) => term.optional)) terms.forEach((term) => { term.optional = false; });
    const quoted = [...clean.matchAll(/["“「『]([^"“”「」『』]+)["”」』]/gu)].map((match) => termsOf(match[1]));
    return { terms, split, quoted: quoted.filter((phrase) => phrase.length) };
  }

  // --- Texts ------------------------------------------------------------------------------------------------------

  // Where the terms stand one after the other, with nothing but spaces and punctuation between.
  function phraseSpans(terms, text) {
    let chains = terms[0].spans(text);
    for (const term of terms.slice(1)) {
      if (!chains.length) break;
      const next = term.spans(text);
      chains = chains.flatMap(([start, end]) => next
        .filter(([from]) => from >= end && !APART.test(text.slice(end, from))).slice(0, 1).map(([, to]) => [start, to]));
    }
    return chains;
  }

  function union(spans) {
    const merged = [];
    for (const [start, end] of spans.sort((a, b) => a[0] - b[0])) {
      const last = merged[merged.length - 1];
      if (last && start <= last[1]) last[1] = Math.max(last[1], end);
      else merged.push([start, end]);
    }
    return merged;
  }

  const letters = (text) => text.replace(/[^\p{L}\p{N}]/gu, "").length;

  // How much of a text the terms are.
  function share(terms, text) {
    const covered = terms.flatMap((term) => term.spans(text)
      .map(([start, end]) => Math.min(letters(text.slice(start, end)), letters(term.query))));
    return Math.min(1, covered.reduce((sum, some) => sum + some, 0) / (letters(text) || 1));
  }

  // How much of a heading they are: 1 if they are all of it, or all of one language's half. The last name in
  // optlib.rules.adam is worth half: whoever looks for adam, would rather read of it first.
  function coverage(terms, heading) {
    const name = /^[\w.]+\.(\w+)$/.exec(heading);
    return Math.max(...heading.split(" · ").map((half) => share(terms, half)), name ? share(terms, name[1]) / 2 : 0);
  }

  // --- Ranking ----------------------------------------------------------------------------------------------------

  const [SOME, ALL, PHRASE, HEADING, DEEPER_TITLE, TITLE] = [1, 2, 3, 4, 5, 6];
  const USUAL_LENGTH = 2000;
  const FEW = 5; // of complete results: then partial ones follow them
  const TIER = 1000; // more than any score within a tier
  const DEEPER = 0.8, LISTED = 0.4; // what a chapter says as well, is read there first: a deeper page, a list count less in a tier

  // A section's score, and whether it holds all that was asked for: a run of Chinese that had to be taken to pieces
  // (`split`) is only there where the pieces follow each other.
  function rate(index, terms, split, asName) {
    const section = sections[index], { deeper, reference } = pages[section.page];
    const needed = terms.filter((term) => !term.optional);
    const here = needed.filter((term) => term.found.has(index));
    const long = Math.sqrt(1 + (section.text.length + section.code.length) / USUAL_LENGTH); // a long list has every word
    let score = 0;
    for (const term of terms) {
      const found = term.found.get(index);
      for (const field in FIELDS) if (found) score += term.rarity * FIELDS[field] * Math.min(found[field], 3) / long;
    }
    let tier = here.length < needed.length ? SOME : ALL;
    const phrase = tier === ALL && ["heading", "text", "code"].find((field) => phraseSpans(terms, section[field]).length);
    if (needed.every((term) => term.found.get(index)?.heading)) {
      tier = reference && !section.top && !asName ? ALL : !section.top ? HEADING : deeper ? DEEPER_TITLE : TITLE;
      score += 400 * coverage(terms, section.heading) + (phrase === "heading" ? 100 : 0);
    } else if (phrase === "text") {
      tier = PHRASE;
    } else if (phrase === "code") {
      score += 200;
    } else if (tier === SOME) {
      score += 100 * here.length;
    }
    return { score: tier * TIER + Math.min(score, TIER - 1) * (reference ? LISTED : deeper ? DEEPER : 1), whole: tier > SOME && (!split || Boolean(phrase)) };
  }

  // A passage of a section: the paragraph that has most of the terms, the rare ones above all, cut to a readable length around the first.
  function passage(section, terms, length = 170) {
    const sought = terms.filter((term) => !term.optional);
    const lines = [...section.text.split("\n").map((line) => [line, false]),
      ...section.code.split("\n").map((line) => [line, true])];
    let best = { worth: -1, line: "", code: false };
    for (const [line, code] of lines) {
      const here = sought.filter((term) => term.spans(line).length);
      const whole = here.length === sought.length && terms.length > 1 && phraseSpans(terms, line).length > 0;
      const worth = here.reduce((sum, term) => sum + term.rarity, 0) * (code ? 0.7 : 1) + (whole ? 1 : 0);
      if (line && worth > best.worth) best = { worth, line, code, whole };
    }
    const { line, code, whole } = best;
    const phrase = whole ? phraseSpans(terms, line) : [];
    const marks = union([...phrase, ...sought.flatMap((term) => term.spans(line))]);
    const focus = phrase[0] ?? marks[0] ?? [0, 0];
    const room = /\p{Script=Han}/u.test(line) ? length / 2 : length;
    let start = Math.max(0, Math.min(focus[0] - room / 3, line.length - room) | 0);
    const sentence = start && line.slice(start, focus[0]).match(/[。！？；]|[.!?;:] /u);
    if (sentence) start += sentence.index + sentence[0].length;
    let end = Math.max(start + room, focus[1]);
    const inWord = (at) => at > 0 && at < line.length && /[\p{L}\p{N}\p{M}]{2}/u.test(line.slice(at - 1, at + 1))
      && !/\p{Script=Han}/u.test(line.slice(at - 1, at + 1));
    while (inWord(start)) start--;
    while (inWord(end)) end++;
    return { text: line.slice(start, end), code, cut: [start > 0, end < line.length],
      marks: marks.filter(([from, to]) => from >= start && to <= end).map(([from, to]) => [from - start, to - start]) };
  }

  // --- For the reader -----------------------------------------------------------------------------------------------

  // A word of the book close to one that is not in it.
  function suggestion(word) {
    const typed = fold(word);
    const allowed = Math.min(2, Math.floor(typed.length / 4));
    let best = null, bestDistance = allowed + 1, bestCount = 0;
    for (const [other, { letters, places }] of allowed ? postings : []) {
      if (Math.abs(letters.length - typed.length) > allowed || JOINT.test(other)) continue;
      const distance = editDistance(typed, letters);
      if (distance < bestDistance || (distance === bestDistance && places.length > bestCount)) {
        [best, bestDistance, bestCount] = [other, distance, places.length];
      }
    }
    return best;
  }

  // Levenshtein's, where a swap of neighbours counts once.
  function editDistance(a, b) {
    let before = [], row = [...Array(b.length + 1).keys()];
    for (let i = 1; i <= a.length; i++) {
      const next = [i];
      for (let j = 1; j <= b.length; j++) {
        next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
        if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
          next[j] = Math.min(next[j], before[j - 2] + 1);
        }
      }
      [before, row] = [row, next];
    }
    return row[b.length];
  }

  // Where a form stands in a query: Chinese anywhere, other words whole.
  function standing(form) {
    const literal = form.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    return new RegExp(isChinese(form) ? literal : `(?<![\\p{L}\\p{N}])${literal}(?![\\p{L}\\p{N}])`, "u");
  }

  // The query in the book's own words: “local optimum” as local minimum, “过早停止” as 早停.
  function inTheBooksWords(query, rarely) {
    const text = query.normalize("NFKC").toLowerCase();
    const known = synonyms.filter(({ own, always, pattern }) =>
      (always || rarely) && !text.includes(own.toLowerCase()) && pattern.test(text));
    return known.length ? known.reduce((words, { own, pattern }) => words.replace(pattern, ` ${own} `), text) : null;
  }

  // The sections that hold what was asked for, each with its score, and the terms that were not found.
  function look(query) {
    const { terms, split, quoted } = understand(query);
    const known = terms.filter((term) => term.found.size);
    for (const term of terms) term.rarity = Math.log(1 + sections.length / (1 + term.found.size));
    const asName = /\w[._]\w/.test(query);
    const hits = [...new Set(known.filter((term) => !term.optional).flatMap((term) => [...term.found.keys()]))]
      .filter((index) => known.some((term) => !term.optional && stands(term.found.get(index))))
      .filter((index) => quoted.every((phrase) => ["heading", "text", "code"].some(
        (field) => phraseSpans(phrase, sections[index][field]).length)))
      .map((index) => ({ index, terms: known, ...rate(index, terms, split, asName) }));
    return { empty: !terms.length, hits, unknown: terms.filter((term) => !term.found.size) };
  }

  // What there is: `whole` sections that have all of it, `partial` ones that have some; the pages, each with its hits;
  // a `suggestion` if a word is unknown, `corrected` if it was looked for at once, since nothing has the word as it was
  // typed. `empty`: there is nothing to look for.
  function find(query) {
    prepare();
    const { empty, hits: typed, unknown } = look(query);
    const own = inTheBooksWords(query, !typed.some((hit) => hit.whole));
    let hits = own === null ? typed : best([...typed, ...look(own).hits]);
    const result = { empty, whole: 0, partial: 0, pages: [], suggestion: null, corrected: false };
    const better = unknown.slice(0, FEW).map((term) => [term.query, suggestion(term.query)]).filter(([, word]) => word);
    if (better.length) {
      result.suggestion = better.reduce((text, [word, other]) => text.replace(word, other), query.normalize("NFKC"));
      if (!hits.some((hit) => hit.whole)) {
        const right = look(result.suggestion).hits;
        result.corrected = right.some((hit) => hit.whole);
        if (result.corrected) hits = right;
      }
    }
    result.whole = hits.filter((hit) => hit.whole).length;
    if (result.whole >= FEW) hits = hits.filter((hit) => hit.whole);
    result.partial = hits.length - result.whole;
    result.pages = grouped(hits.sort((a, b) => b.whole - a.whole || b.score - a.score || a.index - b.index));
    return result;
  }

  // Of two hits on one section the one as typed, unless only the other holds all; with the better score of the two.
  function best(hits) {
    const of = new Map();
    for (const hit of hits) {
      const other = of.get(hit.index);
      if (!other || (hit.whole && !other.whole)) of.set(hit.index, hit);
      else if (hit.whole === other.whole) other.score = Math.max(other.score, hit.score);
    }
    return [...of.values()];
  }

  // The page's title alone makes none of its sections a result.
  const stands = (found) => found && (found.heading || found.text || found.code);

  function grouped(hits) {
    const groups = new Map();
    for (const { index, score, whole, terms } of hits) {
      const section = sections[index], page = pages[section.page];
      if (!groups.has(page)) groups.set(page, { ...page, hits: [] });
      groups.get(page).hits.push({ address: page.address + (section.anchor && "#" + section.anchor), score, whole,
        heading: section.heading, top: section.top, passage: (length) => passage(section, terms, length) });
    }
    return [...groups.values()];
  }

  // --- Drawing: what the search page and the list below the search box have in common --------------------------------

  const isChinese = (text) => /\p{Script=Han}/u.test(text);

  // A text in its language; of “English · 中文” each half in its own.
  function written(text, into = document.createElement("span")) {
    text.split(/( · )/).forEach((part) => {
      const span = document.createElement("span");
      if (/[\p{L}]/u.test(part)) span.lang = isChinese(part) ? "zh-CN" : "en";
      span.textContent = part;
      into.append(span);
    });
    return into;
  }

  // One of the search's own sentences, with what goes into its {brackets}.
  const say = (sentence, values, into) =>
    written(sentence.replace(/\{(\w)\}/g, (whole, name) => values[name] ?? whole), into);

  // How much was found, in a sentence.
  function summary(words, query, found, into) {
    const sentence = found.empty ? "empty" : found.corrected ? "corrected" : !found.pages.length ? "none" : !found.whole ? "part"
      : found.partial ? "also" : "found";
    return say(words[sentence], { q: query, s: found.suggestion, n: found.whole, m: found.partial, p: found.pages.length }, into);
  }

  function drawn(passage, into) {
    if (!passage.code) into.lang = isChinese(passage.text) ? "zh-CN" : "en";
    into.classList.toggle("search-code", passage.code);
    let at = 0;
    into.append(passage.cut[0] ? "…" : "");
    for (const [start, end] of passage.marks) {
      const mark = document.createElement("mark");
      mark.textContent = passage.text.slice(start, end);
      into.append(passage.text.slice(at, start), mark);
      at = end;
    }
    into.append(passage.text.slice(at), passage.cut[1] ? "…" : "");
    return into;
  }

  // The page that is opened next marks these words (search-box.js).
  function remember(element) {
    const found = [...element.querySelectorAll("mark")].map((mark) => mark.textContent);
    try { sessionStorage.setItem("downhill-found", JSON.stringify(found)); } catch (error) { /* may be forbidden */ }
  }

  return { load, find, ready: () => stemmer !== null, written, say, summary, drawn, remember };
})();
