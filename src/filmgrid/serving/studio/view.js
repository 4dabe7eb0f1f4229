// The look of the page: theme, menus beside their buttons, the help dialog.

import { $, $$, setIcon } from "./dom.js";

const root = document.documentElement;
const dark = matchMedia("(prefers-color-scheme: dark)");

function isDark() {
  return root.dataset.theme ? root.dataset.theme === "dark" : dark.matches;
}

function label() {
  const button = $("#theme");
  setIcon(button, isDark() ? "sun" : "moon");
  const told = isDark() ? "Light theme" : "Dark theme";
  button.setAttribute("aria-label", told);
  button.title = told;
}

$("#theme").addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  localStorage.setItem("filmgrid.theme", root.dataset.theme);
  label();
});
dark.addEventListener("change", label);
label();

$("#help-button").addEventListener("click", () => $("#help").showModal());
for (const dialog of $$("dialog"))
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });

/** Menus open beside their button and stay inside of the window; they are filled before. */
for (const menu of $$("[popover]")) {
  const button = $(`[popovertarget="${menu.id}"]`);
  menu.addEventListener("toggle", (event) => {
    const open = event.newState === "open";
    button.setAttribute("aria-expanded", open);
    menu.classList.toggle("placed", open);
    if (!open) return;
    const { left, right, top, bottom } = button.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = menu;
    const fromLeft = left + width > innerWidth - 8 ? right - width : left;
    menu.style.left = `${Math.max(8, Math.min(fromLeft, innerWidth - width - 8))}px`;
    const above = bottom + 6 + height > innerHeight && top - height > 6;
    menu.style.top = `${Math.max(8, above ? top - height - 6 : Math.min(bottom + 6, innerHeight - height - 8))}px`;
    (menu.querySelector("[aria-checked=true]") ?? menu.querySelector(".item, input"))?.focus();
  });
  menu.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const items = $$(".item:not(:disabled)", menu);
    const at = items.indexOf(document.activeElement);
    if (!step || at < 0) return;
    event.preventDefault();
    items[(at + step + items.length) % items.length].focus();
  });
}
