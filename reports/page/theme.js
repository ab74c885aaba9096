"use strict";
// Before the first paint, so that the page does not flash in the other theme.
var theme = {
  get: function () {
    try {
      return localStorage.getItem("stamina-bench-theme") || "system";
    } catch (error) {
      return "system"; // storage is refused to some pages that come from files
    }
  },
  set: function (name) {
    if (name === "light" || name === "dark") document.documentElement.dataset.theme = name;
    else delete document.documentElement.dataset.theme;
    try {
      localStorage.setItem("stamina-bench-theme", name);
    } catch (error) {
      // it holds for this visit
    }
  },
};
theme.set(theme.get());
