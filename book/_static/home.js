// The explorer of the home page runs by itself while it is in view, from one start after the other, until the reader
// takes over; who asks for less motion sees the finished walks. A line below it says where SGD and Adam end, and when
// the reader has made them change places.
(function () {
  const BETWEEN = 2500, TICK = 250; // milliseconds: a look at the finished walks; how often to look
  const HINT = 12; // starts tried in vain before the line says where to look
  const PLACES = { // of a valley: above or below the middle, left or right of it
    en: [["lower left", "lower right"], ["upper left", "upper right"]],
    zh: [["左下角", "右下角"], ["左上角", "右上角"]],
  };
  const SAYS = {
    en: {
      now: (sgd, adam) => `SGD ends ${sgd}, Adam ${adam}.`,
      done: (sgd, adam) => `They have changed places: SGD ends ${sgd}, Adam ${adam}.`,
      hint: " A hint: try the right edge.",
      nowhere: "in no valley",
    },
    zh: {
      now: (sgd, adam) => `SGD 停在${sgd}，Adam 停在${adam}。`,
      done: (sgd, adam) => `换成了：SGD 停在${sgd}，Adam 停在${adam}。`,
      hint: "提示：试试右边缘。",
      nowhere: "山谷之外",
    },
  };

  /** The minimum that a rule's walk ends at, or none. */
  function valley(figure, rule) {
    const { lib, state } = figure, { path, n, d } = figure.currentWalks()[state.runs.findIndex((run) => run.rule === rule)];
    return lib.surfaces[state.surface].minima.find((m) => Math.hypot(m[0] - path[n * d], m[1] - path[n * d + 1]) < 0.2);
  }

  function answers(figure, line) {
    const languages = document.querySelector(".view-both") ? ["en", "zh"] : [document.documentElement.lang.startsWith("zh") ? "zh" : "en"];
    const both = () => ["sgd", "adam"].map((rule) => valley(figure, rule));
    const [first, second] = both(), tried = new Set();
    return (alone) => {
      const [sgd, adam] = both(), done = sgd === second && adam === first;
      if (!alone) tried.add(String(figure.state.start));
      const told = languages.map((lang) => {
        const name = (m) => (m ? PLACES[lang][Number(m[1] > 0)][Number(m[0] > 0)] : SAYS[lang].nowhere);
        const words = SAYS[lang][done ? "done" : "now"](name(sgd), name(adam));
        return words + (done || tried.size <= HINT ? "" : SAYS[lang].hint);
      });
      line.classList.toggle("done", done);
      if (line.dataset.told === told.join()) return;
      line.dataset.told = told.join();
      line.replaceChildren(...told.map((words, i) =>
        Object.assign(document.createElement("span"), { lang: languages[i] === "zh" ? "zh-CN" : "en", textContent: words })));
    };
  }

  document.addEventListener("downhill-mounted", ({ target, detail: { starts } }) => {
    if (!starts) return;
    const figure = target.downhill, line = target.closest("figure").querySelector(".home-answer");
    let alone = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    const tell = answers(figure, line);
    const quiet = (on) => { // nobody asked to hear of it
      for (const part of [figure.summary, line]) part.setAttribute("aria-live", on ? "off" : "polite");
    };
    tell(true);
    target.addEventListener("downhill-change", () => { if (!figure.playing) tell(alone); });
    if (!alone) return;
    let inView = false, round = 0, ended = null;
    quiet(true);

    function takeOver(event) {
      if (!alone || event.key === "Tab") return;
      alone = false;
      quiet(false);
      clearInterval(clock);
    }
    for (const kind of ["pointerdown", "keydown", "input"]) target.addEventListener(kind, takeOver, { capture: true });

    function next() { // walking is one task, and what draws the first step the next, while the processor is awake
      figure.state.start = starts[round % starts.length].slice();
      figure.state.at = ended = null;
      round += 1;
      figure.currentWalks();
      requestAnimationFrame(() => { if (alone) figure.play(); });
    }
    function look() {
      const watched = inView && !document.hidden, { state } = figure;
      if (!watched) { if (figure.playing) figure.pause(); ended = null; return; }
      if (figure.playing) { ended = null; return; }
      if (round && state.at !== null && state.at < state.steps) { figure.play(); return; } // it was out of sight
      ended ??= performance.now();
      if (!round || performance.now() - ended > BETWEEN) next();
    }
    const clock = setInterval(look, TICK);
    new IntersectionObserver(([entry]) => { inView = entry.isIntersecting; }, { threshold: 0.4 }).observe(target);
  });
})();
