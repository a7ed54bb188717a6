// The trained model of chapter 12 writes in the page: optlib.transformer's forward pass, and a box with one slider.
// Its weights, a byte each, come with the page as a script (writer/en.js), loaded at the first "Write"; a classic script,
// because a page opened from disk may load no modules.
(() => {
  const EPS = 1e-6;

  // --- the model: what `Transformer.logits` does, for the last place only ---

  function bytes(text) {
    return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  }

  // { alphabet, heads, layers, width, context, parts: [[name, rows, columns], …], numbers, scales } -> the matrices
  function unpack(stored) {
    const numbers = new Int8Array(bytes(stored.numbers).buffer);
    const scales = new Float32Array(bytes(stored.scales).buffer);
    const W = {};
    let at = 0;
    let column = 0;
    for (const [name, rows, columns] of stored.parts) {
      const values = new Float64Array(rows * columns);
      for (let i = 0; i < values.length; i++) values[i] = numbers[at + i] * scales[column + (i % columns)];
      W[name] = { values, rows, columns };
      at += values.length;
      column += columns;
    }
    return { ...stored, characters: [...stored.alphabet], W };
  }

  function times(x, { values, rows, columns }) {
    const out = new Float64Array(columns);
    for (let i = 0; i < rows; i++) {
      const a = x[i];
      for (let j = 0, k = i * columns; j < columns; j++) out[j] += a * values[k + j];
    }
    return out;
  }

  function norm(x) {
    let sum = 0;
    for (const a of x) sum += a * a;
    const r = 1 / Math.sqrt(sum / x.length + EPS);
    return x.map((a) => a * r);
  }

  const add = (x, y) => x.map((a, i) => a + y[i]);

  // One row's mean over the places so far, for each head.
  function attend(model, q, seen) {
    const share = model.width / model.heads;
    const out = new Float64Array(model.width);
    for (let head = 0; head < model.heads; head++) {
      const from = head * share;
      const scores = seen.map(({ k }) => {
        let dot = 0;
        for (let i = from; i < from + share; i++) dot += q[i] * k[i];
        return dot / Math.sqrt(share);
      });
      const weights = softmax(scores);
      weights.forEach((weight, place) => {
        for (let i = from; i < from + share; i++) out[i] += weight * seen[place].v[i];
      });
    }
    return out;
  }

  function softmax(z) {
    const top = Math.max(...z);
    const e = Array.from(z, (a) => Math.exp(a - top));
    const sum = e.reduce((a, b) => a + b, 0);
    return e.map((a) => a / sum);
  }

  // The logits of the character after the last of `ids`, of which the model sees as many as its context holds.
  function logits(model, ids) {
    const { W, width } = model;
    const window = ids.slice(-model.context);
    const row = ({ values }, i) => values.subarray(i * width, (i + 1) * width);
    let x = window.map((id, place) => add(row(W.token, id), row(W.place, place)));
    for (let layer = 0; layer < model.layers; layer++) {
      const seen = [];
      x = x.map((before) => {
        const qkv = times(norm(before), W[`qkv${layer}`]);
        seen.push({ k: qkv.subarray(width, 2 * width), v: qkv.subarray(2 * width) });
        const mixed = add(before, times(attend(model, qkv.subarray(0, width), seen), W[`out${layer}`]));
        const up = times(norm(mixed), W[`up${layer}`]).map((a) => (a > 0 ? a * a : 0));
        return add(mixed, times(up, W[`down${layer}`]));
      });
    }
    return times(norm(x[x.length - 1]), W.head);
  }

  // A character drawn by its chances at a temperature; `chance` is a number from 0 to 1.
  function drawn(z, temperature, chance) {
    const p = softmax(z.map((a) => a / temperature));
    let left = chance;
    for (let i = 0; i < p.length; i++) {
      left -= p[i];
      if (left < 0) return i;
    }
    return p.length - 1;
  }

  globalThis.downhillWriterModel = { unpack, logits, drawn };
  if (typeof document === "undefined") return;

  // --- the box in the page ---

  const here = document.currentScript.src;
  const WORDS = {
    en: {
      write: "Write",
      pause: "Pause",
      anew: "Anew",
      temperature: "Temperature",
      begin: "The learning rate ",
      failed: "The weights could not be loaded.",
    },
    zh: { write: "写", pause: "暂停", anew: "重写", temperature: "温度", begin: "学习率", failed: "权重没有载入。" },
  };
  const KEPT = 700; // characters on the screen
  const AT_ONCE = 200; // written in one go where motion is not wanted
  const still = matchMedia("(prefers-reduced-motion: reduce)");

  function element(tag, properties, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  }

  const loaded = {};
  function weights(language) {
    loaded[language] ??= new Promise((resolve, reject) => {
      const script = element("script", { src: new URL(`writer/${language}.js`, here).href });
      script.onload = () => resolve(unpack(globalThis.downhillWriter[language]));
      script.onerror = () => reject(new Error(script.src));
      document.head.append(script);
    });
    return loaded[language];
  }

  function seat(box) {
    const language = box.dataset.language;
    const words = WORDS[language];
    const output = element("p", {
      className: "writer-text",
      lang: language === "zh" ? "zh-CN" : "en",
      textContent: words.begin,
    });
    const button = element("button", { type: "button", textContent: words.write });
    const anew = element("button", { type: "button", textContent: words.anew });
    const value = element("output", { textContent: "0.7" });
    const slider = element("input", { type: "range", min: "0.2", max: "1.6", step: "0.1", value: "0.7" });
    const status = element("p", { className: "writer-status" });
    status.setAttribute("role", "status");
    let text = words.begin;
    let timer = null;
    let model = null;

    const show = () => {
      output.textContent = text.length > KEPT ? `…${text.slice(-KEPT)}` : text;
    };
    const stop = () => {
      clearTimeout(timer);
      timer = null;
      button.textContent = words.write;
    };
    const one = () => {
      const ids = [...text].slice(-model.context).map((c) => model.characters.indexOf(c));
      text += model.characters[drawn(logits(model, ids), Number(slider.value), Math.random())];
    };
    const step = () => {
      if (!box.isConnected) return stop();
      one();
      show();
      timer = setTimeout(step, 40);
    };
    const write = () => {
      if (still.matches) {
        for (let i = 0; i < AT_ONCE; i++) one();
        return show();
      }
      button.textContent = words.pause;
      step();
    };
    button.onclick = async () => {
      if (timer !== null) return stop();
      try {
        model ??= await weights(language);
      } catch {
        status.textContent = words.failed;
        return;
      }
      write();
    };
    anew.onclick = () => {
      text = words.begin;
      show();
    };
    slider.oninput = () => {
      value.textContent = Number(slider.value).toFixed(1);
    };
    document.addEventListener("visibilitychange", () => {
      if (document.hidden && timer !== null) stop();
    });
    box.replaceChildren(
      output,
      element(
        "p",
        { className: "writer-controls" },
        button,
        anew,
        element("label", {}, `${words.temperature} `, slider, " ", value),
      ),
      status,
    );
    box.classList.add("seated");
  }

  for (const box of document.querySelectorAll(".downhill-writer")) seat(box);
})();
