// Runs before the first paint, so that a dark page does not flash white.
"use strict";
(() => {
	let theme = null;
	try { theme = localStorage.getItem("groupmail.theme"); } catch { /* storage is off */ }
	if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
})();
