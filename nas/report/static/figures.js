// Draws the figures of a page in its colors: each .plot has its figure as JSON in the script element that follows it.
"use strict";
(() => {
  const drawn = [];

  function color(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function themed(layout) {
    const text = color("--text"), line = color("--line");
    const made = { ...layout, font: { ...layout.font, color: text, family: "system-ui, sans-serif" } };
    made.hoverlabel = { ...layout.hoverlabel, bgcolor: color("--card"), bordercolor: line, font: { color: text } };
    for (const axis of ["xaxis", "yaxis"]) {
      made[axis] = { ...layout[axis], gridcolor: line, linecolor: line, tickcolor: line };
    }
    return made;
  }

  function draw(plot, figure) {
    const layout = themed(figure.layout);
    const narrow = plot.clientWidth < 520;
    if (narrow) {
      layout.margin = { ...layout.margin, l: 40, r: 8 };
      layout.font.size = 11;
    }
    return Plotly.react(plot, figure.data, layout, { responsive: true, displayModeBar: false });
  }

  function redraw() {
    for (const [plot, figure] of drawn) draw(plot, figure);
  }

  function start(root) {
    for (const plot of root.querySelectorAll(".plot")) {
      const data = plot.parentElement.querySelector("script[type='application/json']");
      if (!data || plot.dataset.drawn) continue;
      plot.dataset.drawn = "yes";
      const figure = JSON.parse(data.textContent);
      drawn.push([plot, figure]);
      draw(plot, figure);
      plot.on("plotly_click", (event) => {
        const trial = event.points[0] && event.points[0].customdata;
        if (trial !== undefined && trial !== null) {
          plot.dispatchEvent(new CustomEvent("nas:trial", { bubbles: true, detail: { trial } }));
        }
      });
    }
  }

  addEventListener("beforeprint", () => {
    document.documentElement.dataset.print = "yes";
    for (const [plot, figure] of drawn) {
      Plotly.react(plot, figure.data, { ...themed(figure.layout), width: 680 }, { displayModeBar: false });
    }
  });
  addEventListener("afterprint", () => {
    delete document.documentElement.dataset.print;
    redraw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  window.nasFigures = { start };
  start(document);
})();
