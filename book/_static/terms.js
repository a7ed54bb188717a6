// Shows a term's definition while the pointer or the focus is on the term, or after a tap. It can be pointed at, stays as
// long as it is wanted, and goes away with Escape (WCAG 1.4.13). Without this script the term leads to the glossary.
(function () {
  const tips = document.querySelector(".tips");
  if (!tips) return;
  const page = document.querySelector(".page");
  const SOON = 120, LATER = 250, GAP = 6;
  let shown = null, timer = 0, openAtTouch = null;

  const tipOf = (term) => document.getElementById(term.getAttribute("aria-describedby"));
  const after = (wait, action) => { clearTimeout(timer); timer = setTimeout(action, wait); };

  function show(term, x) {
    clearTimeout(timer);
    if (shown === term) return;
    hide();
    // Where the view's own rules reach it, and no box of the article cuts it off.
    if (tips.parentElement !== page) page.append(tips);
    shown = term;
    const tip = tipOf(term);
    tip.hidden = false;
    // A term may break over two lines: the one pointed at counts.
    const boxes = [...term.getClientRects()], box = boxes.find((b) => x >= b.left && x <= b.right) ?? boxes[0];
    const room = document.documentElement.clientWidth, base = tips.getBoundingClientRect();
    const left = Math.max(8, Math.min(box.left, room - tip.offsetWidth - 8));
    const above = box.bottom + GAP + tip.offsetHeight > innerHeight && box.top - GAP - tip.offsetHeight > 0;
    tip.style.left = `${left - base.left}px`;
    tip.style.top = `${(above ? box.top - GAP - tip.offsetHeight : box.bottom + GAP) - base.top}px`;
  }
  function hide() {
    clearTimeout(timer);
    if (shown) tipOf(shown).hidden = true;
    shown = null;
  }

  const termAt = (target) => (target instanceof Element ? target.closest("a.term") : null);
  const inTip = (target) => target instanceof Element && target.closest(".tip") !== null;

  document.addEventListener("pointerover", (event) => {
    if (event.pointerType === "touch") return;
    const term = termAt(event.target);
    if (term) after(shown ? 0 : SOON, () => show(term, event.clientX));
    else if (inTip(event.target)) clearTimeout(timer);
    else if (shown && document.activeElement !== shown) after(LATER, hide);
    else if (!shown) clearTimeout(timer);
  });
  document.addEventListener("focusin", (event) => { const term = termAt(event.target); if (term) show(term); else if (shown) hide(); });
  document.addEventListener("focusout", (event) => { if (termAt(event.target) === shown && shown && !tipOf(shown).matches(":hover")) hide(); });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && shown) { hide(); event.preventDefault(); } });
  // The first tap shows, the second follows the link; a tap elsewhere puts the definition away.
  document.addEventListener("pointerdown", (event) => {
    openAtTouch = event.pointerType === "touch" ? { term: shown } : null;
    if (shown && !termAt(event.target) && !inTip(event.target)) hide();
  });
  document.addEventListener("click", (event) => {
    const term = termAt(event.target);
    if (!term || !openAtTouch || openAtTouch.term === term) return;
    event.preventDefault();
    show(term, event.clientX);
  });
  addEventListener("resize", hide);
})();
