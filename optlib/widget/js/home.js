// Where a figure lives: in a widget's model, or in a page that pretends to be one.

/** The page's own language, where the figure stands. */
export function languageOf(el) {
  const tag = el.closest("[lang]")?.lang || navigator.language || "en";
  return tag.toLowerCase().startsWith("zh") ? "zh" : "en";
}

/** A notebook's own code: text made by optlib.compile in Python, never taken from a link. */
export async function own(text) {
  if (!text) return null;
  const url = URL.createObjectURL(
    new Blob([`export default function more() {\n${text}\n}`], { type: "text/javascript" }),
  );
  try {
    return (await import(url)).default;
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** Keeps the figure that `make(model, options)` gives and the model's traits state and lang together. */
export async function hold({ model, el }, make) {
  const wished = () => (model.get("lang") === "auto" ? languageOf(el) : model.get("lang"));
  let timer = 0,
    quiet = false;
  const figure = await make(model, {
    lang: wished(),
    extra: await own(model.get("extra")),
    onchange: (state) => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        quiet = true;
        model.set("state", state);
        model.save_changes();
        quiet = false;
      }, 60);
    },
    ...model.downhill,
  });
  el.downhill = figure;
  const changed = () => {
    if (!quiet && JSON.stringify(model.get("state")) !== JSON.stringify(figure.state))
      figure.replace(model.get("state"));
  };
  const spoken = () => figure.speak(wished());
  model.on("change:state", changed);
  model.on("change:lang", spoken);
  return () => {
    clearTimeout(timer);
    model.off?.("change:state", changed);
    model.off?.("change:lang", spoken);
    figure.close();
  };
}

/** What a page without a kernel has for a model: `given` holds the traits, `options` link and address. */
export function modelOf(given, options) {
  const traits = { lang: "auto", extra: "", ...given };
  return {
    get: (name) => traits[name],
    set: (name, value) => {
      traits[name] = value;
    },
    save_changes() {},
    on() {},
    off() {},
    downhill: options,
  };
}
