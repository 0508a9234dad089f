// Shows the token to the service, which begins a session; then the page that was asked for.
"use strict";
document.getElementById("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target, alert = form.querySelector("[role=alert]");
  const answer = await fetch("/v1/session", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token: form.elements.token.value }),
  });
  if (answer.ok) {
    if (location.pathname === "/login") location.assign("/studies");
    else location.reload();
    return;
  }
  const problem = await answer.json();
  alert.textContent = problem.detail;
  alert.hidden = false;
  form.elements.token.select();
});
