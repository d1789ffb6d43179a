// What is done goes to the server; what has changed is fetched and put in place. Nothing is kept here.
const me = document.body.dataset.me, place = document.body.dataset.place, thread = document.body.dataset.thread;
const at = "/as/" + me, shown = {};

function toast(text) {
	const box = document.getElementById("toast");
	box.textContent = text;
	box.hidden = !text;
	clearTimeout(toast.timer);
	toast.timer = setTimeout(() => { box.hidden = true; }, 6000);
}

async function send(what, fields, form) {
	const body = form || new FormData();
	for (const [k, v] of Object.entries({ do: what, channel: place, ...fields })) body.set(k, v);
	try {
		const answer = await (await fetch(at + "/do", { method: "POST", body })).json();
		toast(answer.error || "");
		return !answer.error;
	} catch (e) {
		toast("The stand-in does not answer: " + e.message);
		return false;
	} finally {
		refresh();
	}
}

let busy = false, again = false;
async function refresh() {
	if (busy) { again = true; return; }
	busy = true;
	try {
		const parts = await (await fetch(`${at}/parts?c=${encodeURIComponent(place)}&t=${encodeURIComponent(thread)}`)).json();
		for (const [id, html] of Object.entries(parts)) put(id, html);
	} catch { /* the next change, or the next beat, tries again */ }
	busy = false;
	if (again) { again = false; refresh(); }
}

function put(id, html) {
	const box = document.getElementById(id);
	if (!box || shown[id] === html) return;
	if (id !== "modal" && box.querySelector("details.overflow[open]")) return; // somebody is choosing
	if (id === "modal") { // what is being typed stays unless the app changed the form
		const now = box.querySelector("form"), next = document.createRange().createContextualFragment(html).querySelector("form");
		if (now && next && now.dataset.hash === next.dataset.hash && !next.querySelector(".error") && !now.querySelector(".error")) return;
	}
	const end = box.scrollHeight - box.scrollTop - box.clientHeight < 80, first = !(id in shown);
	shown[id] = html;
	box.innerHTML = html;
	if (box.classList.contains("scroll") && place !== "home" && (end || first)) box.scrollTop = box.scrollHeight;
	if (id === "modal") box.querySelector("textarea, .input input:not([type=hidden])")?.focus();
}

function where(el) { return el.closest(".msg")?.dataset.message || ""; }

async function use(el, what, value) {
	if (el.dataset.confirm && !confirm(el.dataset.confirm)) return;
	if (el.dataset.url) window.open(el.dataset.url, "_blank", "noopener");
	const fields = { action: el.dataset.action, value };
	const modal = el.closest(".modal");
	if (modal) {
		await send("keep", {}, new FormData(modal));
		return send("pressin", fields);
	}
	if (el.closest(".home")) return send("presshome", fields);
	return send(what, { ...fields, message: where(el) });
}

document.addEventListener("click", e => {
	for (const open of document.querySelectorAll("details.overflow[open]")) if (!open.contains(e.target)) open.open = false;
	if (e.target.closest("#menu")) return document.body.classList.toggle("menu-open");
	if (!e.target.closest(".side")) document.body.classList.remove("menu-open");
	const el = e.target.closest("button[data-do]");
	if (!el) return;
	const what = el.dataset.do, message = where(el);
	el.closest("details.overflow")?.removeAttribute("open");
	if (what === "press" || what === "choose") use(el, what, el.dataset.value || "");
	else if (what === "thread") location.search = `?c=${place}&t=${message}`;
	else if (what === "close") send("close", {});
	else if (what === "edit") {
		const text = prompt("Edit the message", el.closest(".msg").querySelector(".line")?.innerText || "");
		if (text !== null) send("edit", { message, value: text });
	} else send(what, { message, action: el.dataset.action || "", value: el.dataset.value || "" });
});

document.addEventListener("change", e => {
	const el = e.target;
	if (el.matches("select[data-do], input[data-do]")) use(el, "choose", el.value);
	if (el.matches(".attach input")) el.parentElement.classList.toggle("has", el.files.length > 0);
});

document.addEventListener("submit", async e => {
	e.preventDefault();
	const form = e.target;
	if (form.matches(".modal")) return send("submit", {}, new FormData(form));
	if (await send("say", { thread: form.dataset.thread }, new FormData(form))) {
		form.reset();
		form.querySelector(".attach").classList.remove("has");
	}
});

document.addEventListener("keydown", e => {
	if (e.key === "Enter" && !e.shiftKey && !e.isComposing && e.target.matches(".compose textarea")) {
		e.preventDefault();
		e.target.form.requestSubmit();
	}
	if (e.key === "Escape" && document.querySelector(".modal")) send("close", {});
});

for (const id of ["messages", "replies"]) {
	const box = document.getElementById(id);
	if (box && place !== "home") box.scrollTop = box.scrollHeight;
}
if (place === "home" || place === "messages") send(place, {});
new EventSource(at + "/live").onmessage = refresh;
