// Applies the chosen colours before anything is drawn; not a module, because modules run after the first paint.
const chosen = localStorage.getItem("bandstand.theme");
if (chosen) document.documentElement.dataset.theme = chosen;
