// What the pages do beside htmx: changes through /v1, live studies, and clicks on points of figures.
"use strict";
(() => {
  const csrf = document.querySelector("meta[name=csrf]").content;

  function headers(more) {
    return csrf ? { ...more, "X-CSRF-Token": csrf } : more;
  }

  async function problemOf(answer) {
    try {
      return (await answer.json()).detail;
    } catch {
      return `the service answered ${answer.status}`;
    }
  }

  // Forms with data-call="METHOD /v1/...": fields are the query, or the body of a field with data-body.
  async function call(form) {
    const [method, path] = form.dataset.call.split(" "), query = new URLSearchParams();
    let body;
    for (const field of form.elements) {
      if (field.dataset.body !== undefined) body = field.value;
      else if (field.name && field.value !== "") query.append(field.name, field.value);
    }
    const button = form.querySelector("button:not([type=button])");
    button.disabled = true;
    const answer = await fetch(query.size ? `${path}?${query}` : path, {
      method, body, headers: headers(body === undefined ? {} : { "Content-Type": "application/yaml" }),
    });
    button.disabled = false;
    if (!answer.ok) return complain(form, await problemOf(answer));
    if (form.dataset.then === "reload") return location.reload();
    if (form.dataset.then) return location.assign(form.dataset.then);
    const made = await answer.json();
    return location.assign(`/studies/${encodeURIComponent(made.study)}`);
  }

  function complain(form, text) {
    let alert = form.querySelector("[role=alert]");
    if (!alert) {
      alert = Object.assign(document.createElement("p"), { className: "alert" });
      alert.setAttribute("role", "alert");
      form.append(alert);
    }
    alert.hidden = false;
    alert.textContent = text;
  }

  document.addEventListener("submit", (event) => {
    if (event.target.dataset.call) {
      event.preventDefault();
      call(event.target);
    }
  });

  document.body.addEventListener("htmx:configRequest", (event) => {
    if (csrf) event.detail.headers["X-CSRF-Token"] = csrf;
  });
  document.body.addEventListener("htmx:afterSwap", (event) => {
    nasFigures.start(event.detail.target);
    for (const log of event.detail.target.querySelectorAll(".log")) log.scrollTop = log.scrollHeight;
  });
  document.body.addEventListener("htmx:responseError", (event) => {
    const note = Object.assign(document.createElement("p"), { className: "alert" });
    note.textContent = "This part could not be loaded.";
    event.detail.target.replaceChildren(note);
  });

  // A click on a point shows its neck.
  document.addEventListener("nas:trial", (event) => {
    const picked = document.getElementById("picked");
    if (!picked) return;
    const path = picked.dataset.card.replace("/trials/0/", `/trials/${event.detail.trial}/`);
    htmx.ajax("GET", path, { target: picked, swap: "innerHTML" });
    if (picked.getBoundingClientRect().top > innerHeight || picked.getBoundingClientRect().bottom < 0) {
      picked.scrollIntoView({ block: "nearest", behavior: "smooth" });
    }
  });

  // A study as it changes. What has changed is loaded again, but not more often than every few seconds.
  const study = document.getElementById("study");
  if (study && study.dataset.busy) {
    const pace = { "study-changed": 4000, "study-trained": 8000 }, due = {};
    const announce = (name) => {
      if (due[name]) return;
      const since = Date.now() - (announce[name] || 0);
      due[name] = setTimeout(() => {
        due[name] = 0;
        announce[name] = Date.now();
        document.body.dispatchEvent(new CustomEvent(name));
      }, Math.max(0, pace[name] - since));
    };
    const source = new EventSource(`/v1/studies/${encodeURIComponent(study.dataset.study)}/events`);
    let trained = study.dataset.trained;
    source.addEventListener("study", (event) => {
      const now = JSON.parse(event.data), job = now.job ? `${now.job.id} ${now.job.state}` : "";
      announce("study-changed");
      if (now.progress && String(now.progress.trained) !== trained) {
        trained = String(now.progress.trained);
        announce("study-trained");
      }
      const begins = !study.dataset.begun && now.progress;  // its parts can be shown now
      if (begins || `${now.state} ${job}` !== study.dataset.state) location.reload();  // or other things can be done
    });
    source.addEventListener("end", () => source.close());
    addEventListener("pagehide", () => source.close());
  }
})();
