// New mail appears by itself: the server says that there is some, and what the page does not show
// yet is taken from the page anew. What is being typed stays.
"use strict";
(() => {
	const list = document.getElementById("mails");
	const title = document.title;
	let unread = 0;

	async function look() {
		const answer = await fetch(location.pathname + location.search, { headers: { Accept: "text/html" } });
		if (!answer.ok) return;
		const page = new DOMParser().parseFromString(await answer.text(), "text/html");
		const now = [...page.querySelectorAll("#mails > article")];
		const there = new Set(now.map((a) => a.id));
		for (const old of [...list.children]) if (!there.has(old.id)) old.remove();
		let before = null;
		for (const article of now.reverse()) {
			const old = document.getElementById(article.id);
			if (old) { before = old; continue; }
			const fresh = document.importNode(article, true);
			fresh.classList.add("fresh");
			list.insertBefore(fresh, before);
			before = fresh;
			document.querySelector(".nothing")?.remove();
			if (!fresh.classList.contains("mine")) tell(fresh);
		}
	}

	function tell(article) {
		document.getElementById("live").textContent = "New mail: " + article.querySelector("h2").textContent;
		if (document.hidden) document.title = `(${++unread}) ${title}`;
	}

	let looking = null, again = false;
	function lookSoon() {
		if (looking) { again = true; return; }
		looking = look().catch(() => {}).finally(() => {
			looking = null;
			if (again) { again = false; lookSoon(); }
		});
	}

	const lost = document.getElementById("lost");
	const stream = new EventSource(document.body.dataset.events);
	stream.addEventListener("open", () => { lost.hidden = true; });
	stream.addEventListener("error", () => { lost.hidden = false; });
	stream.addEventListener("mail", lookSoon);
	document.addEventListener("visibilitychange", () => {
		if (!document.hidden) { unread = 0; document.title = title; }
	});
	addEventListener("pagehide", () => stream.close());

	// A mail is sent once, however often the button is pressed.
	document.addEventListener("submit", (e) => {
		const button = e.target.querySelector("button");
		if (button.getAttribute("aria-busy")) { e.preventDefault(); return; }
		button.setAttribute("aria-busy", "true");
	});
	addEventListener("pageshow", () => { for (const b of document.querySelectorAll("[aria-busy]")) b.removeAttribute("aria-busy"); });

	// The event comes a moment after the click: who writes already is left alone.
	document.addEventListener("toggle", (e) => {
		if (e.target.open && e.target.matches(".compose") && !e.target.querySelector("textarea:focus, input:focus")) e.target.querySelector("textarea, input[type=text]")?.focus();
	}, true);
})();
