// The editor of a study: line numbers, a check while typing, faults at their lines, and the data when they change.
"use strict";
(() => {
  const text = document.getElementById("text"), name = document.getElementById("name");
  const lines = document.getElementById("lines"), shipped = document.getElementById("shipped");
  const check = document.getElementById("check"), data = document.getElementById("data");
  const csrf = document.querySelector("meta[name=csrf]").content;
  let waiting = 0, asked = 0, key = "";

  function number() {
    const count = text.value.split("\n").length;
    while (lines.children.length < count) {
      lines.append(Object.assign(document.createElement("li"), { textContent: lines.children.length + 1 }));
    }
    while (lines.children.length > count) lines.lastChild.remove();
    lines.scrollTop = text.scrollTop;
  }

  async function post(path) {
    const body = new URLSearchParams({ text: text.value, name: name.value });
    const answer = await fetch(path, { method: "POST", body, headers: csrf ? { "X-CSRF-Token": csrf } : {} });
    return answer.ok ? answer.text() : "<p class=\"alert\">The service did not answer; change something to ask again.</p>";
  }

  async function look() {
    const mine = ++asked;
    const html = await post("/launch/check");
    if (mine !== asked) return;
    check.innerHTML = html;
    for (const line of lines.children) line.classList.remove("bad");
    for (const button of check.querySelectorAll("[data-line]")) {
      lines.children[button.dataset.line - 1]?.classList.add("bad");
    }
    const now = check.firstElementChild?.dataset.key ?? "";
    if (now !== key) {
      key = now;
      data.setAttribute("aria-busy", "true");
      const shown = now ? await post("/launch/data") : "<p class=\"soft\">The data are shown when the study names them.</p>";
      if (key === now) data.innerHTML = shown;
      data.removeAttribute("aria-busy");
    }
  }

  function typed() {
    number();
    clearTimeout(waiting);
    waiting = setTimeout(look, 400);
  }

  check.addEventListener("click", (event) => {
    const line = event.target.dataset.line;
    if (!line) return;
    const rows = text.value.split("\n"), start = rows.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    text.focus();
    text.setSelectionRange(start, start + rows[line - 1].length);
  });
  text.addEventListener("input", typed);
  text.addEventListener("scroll", () => { lines.scrollTop = text.scrollTop; });
  name.addEventListener("input", typed);
  shipped.addEventListener("change", async () => {
    const answer = await fetch(`/v1/shipped/${encodeURIComponent(shipped.value)}`);
    if (!answer.ok) return;
    text.value = await answer.text();
    name.value = shipped.value;
    typed();
  });
  number();
  look();
})();
