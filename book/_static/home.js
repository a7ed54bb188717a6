// The explorer of the home page runs by itself while it is in view, from one start after the other, until the reader
// takes over. Who asks for less motion sees the finished walks.
(function () {
  const BETWEEN = 2500, TICK = 250; // milliseconds: a look at the finished walks; how often to look

  document.addEventListener("downhill-mounted", ({ target, detail: { starts } }) => {
    if (!starts || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const figure = target.downhill;
    let alone = true, inView = false, round = 0, ended = null;
    const quiet = (on) => figure.summary.setAttribute("aria-live", on ? "off" : "polite"); // nobody asked to hear of it
    quiet(true);

    function takeOver(event) {
      if (!alone || event.key === "Tab") return;
      alone = false;
      quiet(false);
      clearInterval(clock);
    }
    for (const kind of ["pointerdown", "keydown", "input"]) target.addEventListener(kind, takeOver, { capture: true });

    function next() {
      figure.state.start = starts[round % starts.length].slice();
      figure.state.at = null;
      round += 1;
      figure.play();
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
