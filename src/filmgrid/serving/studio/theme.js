// Runs before the first paint, so that no theme flashes by. The rest is in modules.
{
  const theme = localStorage.getItem("filmgrid.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
}
