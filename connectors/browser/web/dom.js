// Elements, icons, times and texts. Whatever was written by somebody becomes a text node here and
// nothing else: there is no innerHTML in these pages, and their policy forbids it.

import { boot } from "./live.js";

export const $ = (id) => document.getElementById(id);

/** Makes an element. Attributes: on… are listeners, true is "", null, undefined and false are left out. */
export function h(tag, attrs, ...children) {
	const e = document.createElement(tag);
	for (const [k, v] of Object.entries(attrs ?? {})) {
		if (v === null || v === undefined || v === false) continue;
		if (k.startsWith("on")) e.addEventListener(k.slice(2), v);
		else e.setAttribute(k, v === true ? "" : v);
	}
	e.append(...children.flat(9).filter((c) => c !== null && c !== undefined && c !== false && c !== ""));
	return e;
}

const paths = {
	close: "M6 6l12 12M18 6L6 18",
	menu: "M4 7h16M4 12h16M4 17h16",
	back: "M14 6l-6 6 6 6",
	clip: "M20 11.500l-8.300 8.300a5.200 5.200 0 0 1-7.400-7.400l8.700-8.700a3.500 3.500 0 0 1 4.900 4.900l-8.600 8.600a1.700 1.700 0 0 1-2.500-2.400l7.800-7.800",
	send: "M4 12l16-8-6 17-3-7z M11 14l9-10",
	thread: "M5 5h14a1.500 1.500 0 0 1 1.500 1.500v8a1.500 1.500 0 0 1-1.500 1.500h-7l-4.500 4v-4H5a1.500 1.500 0 0 1-1.500-1.500v-8A1.500 1.500 0 0 1 5 5z",
	edit: "M4 20l1-4.500L16 4.500l3.500 3.500L8.500 19z M13.500 7l3.500 3.500",
	trash: "M5 7h14M10 7V5h4v2M7 7l1 12.500h8L17 7M10.500 10.500v6M13.500 10.500v6",
	link: "M10 14a4 4 0 0 0 5.700 0l3-3A4 4 0 0 0 13 5.300l-1 1M14 10a4 4 0 0 0-5.700 0l-3 3A4 4 0 0 0 11 18.700l1-1",
	more: "M6 12h.01M12 12h.01M18 12h.01",
	hash: "M9.500 4l-2 16M16.500 4l-2 16M4.500 9h16M3.500 15h16",
	pin: "M9 4h6l-.500 6 3 3.500H6.500l3-3.500z M12 13.500V20",
	lock: "M6 11h12v9H6z M8.500 11V8a3.500 3.500 0 0 1 7 0v3",
	eye: "M3 3l18 18M10 5.300A9.600 9.600 0 0 1 12 5c5.500 0 9 7 9 7a16 16 0 0 1-2.700 3.500M6.500 7A15.600 15.600 0 0 0 3 12s3.500 7 9 7a9 9 0 0 0 4.500-1.200M10 10a2.800 2.800 0 0 0 4 4",
	sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2.500v2M12 19.500v2M2.500 12h2M19.500 12h2M5.300 5.300l1.400 1.400M17.300 17.300l1.400 1.400M5.300 18.700l1.400-1.400M17.300 6.700l1.400-1.400",
	moon: "M20 14.500A8.500 8.500 0 0 1 9.500 4a8.500 8.500 0 1 0 10.500 10.500z",
	auto: "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16",
	keys: "M3 7h18v10H3z M6.500 10.500h.01M10 10.500h.01M13.500 10.500h.01M17 10.500h.01M8 14h8",
	down: "M12 5v14M6 13l6 6 6-6",
	up: "M12 19V5M6 11l6-6 6 6",
	file: "M6.500 3.500h7l4.500 4.500v12.500h-11.500z M13.500 3.500V8H18",
	chevron: "M7 10l5 5 5-5",
	out: "M9 5H5v14h14v-4M13 4h7v7M20 4l-9 9",
	bot: "M4 8.500a2 2 0 0 1 2-2h12a2 2 0 0 1 2 2v7a2 2 0 0 1-2 2h-6l-4 3.500v-3.500H6a2 2 0 0 1-2-2zM6.500 9l5.500 4 5.500-4",
};

/** An icon; it says nothing to a screen reader. */
export function icon(name) {
	const ns = "http://www.w3.org/2000/svg";
	const svg = document.createElementNS(ns, "svg");
	svg.setAttribute("viewBox", "0 0 24 24");
	svg.setAttribute("class", "i i-" + name);
	svg.setAttribute("aria-hidden", "true");
	const p = document.createElementNS(ns, "path");
	p.setAttribute("d", paths[name]);
	svg.append(p);
	return svg;
}

/** A picture of somebody: the initial on one of eight colours, as on the page where one chooses who one is. */
export function avatar(name, isBot) {
	const i = boot.people.findIndex((p) => p.name === name);
	return h("span", { class: "avatar " + (isBot ? "is-bot" : i < 0 ? "" : "c" + i % 8), "aria-hidden": "true" }, isBot ? icon("bot") : [...name][0]?.toUpperCase() ?? "?");
}

// ---- times, in the reader's zone

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const exact = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const nearDay = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const farDay = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const shortDay = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const shortYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

const midnight = (d) => new Date(d.getFullYear(), d.getMonth(), d.getDate());
const daysAgo = (d) => Math.round((midnight(new Date()) - midnight(d)) / 864e5);

export const dayKey = (d) => d.getFullYear() + "-" + d.getMonth() + "-" + d.getDate();

export function dayName(d) {
	const ago = daysAgo(d);
	if (ago === 0) return "Today";
	if (ago === 1) return "Yesterday";
	return Math.abs(ago) < 300 ? nearDay.format(d) : farDay.format(d);
}

/** A time as it is said in a sentence: "14:03", "yesterday 14:03", "3 Mar, 14:03". */
function saidTime(d, toTheSecond) {
	const ago = daysAgo(d), at = (toTheSecond ? exact : clock).format(d);
	if (ago === 0) return at;
	if (ago === 1) return "yesterday " + at;
	if (ago === -1) return "tomorrow " + at;
	return (Math.abs(ago) < 300 ? shortDay : shortYear).format(d) + ", " + at;
}

/** A <time>, as it is said; "clock" shows the hour alone. */
export function time(iso, clockOnly, toTheSecond) {
	const d = new Date(iso);
	return h("time", { datetime: iso, title: full.format(d), "data-said": clockOnly ? null : toTheSecond ? "second" : true }, clockOnly ? clock.format(d) : saidTime(d, toTheSecond));
}

// What was "today" is "yesterday" after midnight.
let today = dayKey(new Date());
export const onNewDay = [];
setInterval(() => {
	if (dayKey(new Date()) === today) return;
	today = dayKey(new Date());
	for (const t of document.querySelectorAll("time[data-said]")) t.textContent = saidTime(new Date(t.dateTime), t.dataset.said === "second");
	for (const f of onNewDay) f();
}, 30_000);

// ---- texts

/** A link that shows where it goes: its true host, in ASCII where that tells look-alikes apart. */
export function link(url, text) {
	return h("a", { href: url, target: "_blank", rel: "noopener noreferrer nofollow", dir: "ltr" }, text);
}

function shownURL(u) {
	const rest = u.pathname + u.search + u.hash;
	const tail = rest === "/" ? "" : rest.length > 60 ? rest.slice(0, 44) + "…" + rest.slice(-12) : rest;
	return u.protocol + "//" + u.host + tail;
}

// An address ends at white space, quotes, angle brackets and anything that steers direction.
const urls = /https?:\/\/[^\s<>"'`\u200b-\u200f\u202a-\u202e\u2066-\u2069|\\^{}]+/giu;

/** Text with its web addresses as links. With names, @names that are somebody's are marked. */
export function rich(text, names) {
	const out = [];
	let at = 0;
	for (const m of text.matchAll(urls)) {
		let raw = m[0].replace(/[.,;:!?…»”’*_~]+$/u, "");
		while (/[)\]]$/.test(raw) && count(raw, ")") + count(raw, "]") > count(raw, "(") + count(raw, "[")) {
			raw = raw.slice(0, -1).replace(/[.,;:!?]+$/u, "");
		}
		let u;
		try { u = new URL(raw); } catch { continue; }
		if (u.username || u.password || !u.host || raw.length > 2000) continue;
		out.push(...marked(text.slice(at, m.index), names), link(u.href, shownURL(u)));
		at = m.index + raw.length;
	}
	out.push(...marked(text.slice(at), names));
	return out;
}

const count = (s, c) => s.split(c).length - 1;

function marked(text, names) {
	if (!names || !text.includes("@")) return [text];
	const out = [];
	let at = 0;
	for (const m of text.matchAll(/(?<![\p{L}\p{N}_.-])@([\p{L}\p{N}][\p{L}\p{N}._-]*)/gu)) {
		const handle = m[1].replace(/[.-]+$/, "");
		const kind = names(handle.toLowerCase());
		if (!kind) continue;
		out.push(text.slice(at, m.index), h("span", { class: "mention" + (kind === "me" ? " of-me" : "") }, "@" + handle));
		at = m.index + 1 + handle.length;
	}
	out.push(text.slice(at));
	return out;
}

/** The bot's own line, made of spans. */
export function line(spans) {
	return (spans ?? []).map((s) => {
		let n = s.time ? time(s.time, false, s.second) : s.member ? h("bdi", { class: s.ping ? "name ping" : "name" }, s.ping ? "@" + s.member : s.member) : s.text ?? "";
		if (s.url) n = link(s.url, s.text);
		if (s.code) n = h("code", null, n);
		if (s.strong) n = h("strong", null, n);
		return n;
	});
}

export const plain = (spans) => (spans ?? []).map((s) => s.time ? saidTime(new Date(s.time), s.second) : s.member || s.text || "").join("");

export function size(bytes) {
	if (bytes < 1000) return bytes + " B";
	if (bytes < 1e6) return Math.round(bytes / 1e3) + " kB";
	return (bytes / 1e6).toFixed(1) + " MB";
}

// ---- small things that stand in front

/** A passing word beneath the name of what is being read, where it lies over nothing. */
export function toast(text, action) {
	const inThread = !$("thread").hidden && $("thread").contains(document.elementFromPoint(innerWidth / 2, innerHeight / 2));
	const bar = $(inThread ? "thread" : "main").querySelector(".bar");
	if (bar.nextElementSibling !== $("toasts")) bar.after($("toasts"));
	const t = h("div", { class: "toast" }, h("span", null, text));
	const gone = () => t.remove();
	if (action) t.append(h("button", { type: "button", onclick: () => { gone(); action.run(); } }, action.label));
	t.append(h("button", { type: "button", class: "icon", "aria-label": "Dismiss", onclick: gone }, icon("close")));
	$("toasts").append(t);
	setTimeout(gone, action ? 12_000 : 7_000);
	return t;
}

let openMenu = null;
export const menuIsOpen = () => openMenu !== null;

/** Opens a menu at an element: arrows, Home, End, first letters, Enter, Escape. */
export function menu(at, items, label) {
	const again = openMenu?.at === at;
	closeMenu();
	if (again) return;
	const list = h("div", { class: "menu", role: "menu", "aria-label": label });
	for (const i of items) {
		const attrs = { role: "menuitem", tabindex: "-1", class: i.danger ? "danger" : null, "data-button": i.id };
		const e = i.url
			? h("a", { ...attrs, href: i.url, target: "_blank", rel: "noopener noreferrer nofollow", onclick: () => closeMenu() }, h("bdi", { class: "label-text" }, i.label), icon("out"))
			: h("button", { ...attrs, type: "button", onclick: () => { closeMenu(true); i.run(); } }, i.icon ? icon(i.icon) : "", h("bdi", { class: "label-text" }, i.label));
		list.append(e);
	}
	document.body.append(list);
	const r = at.getBoundingClientRect(), m = list.getBoundingClientRect();
	const top = r.bottom + 4 + m.height > innerHeight - 8 ? Math.max(8, r.top - 4 - m.height) : r.bottom + 4;
	list.style.top = top + "px";
	list.style.left = Math.max(8, Math.min(r.left, innerWidth - m.width - 8)) + "px";
	at.setAttribute("aria-expanded", "true");
	const all = [...list.children];
	const move = (n) => all[(n + all.length) % all.length]?.focus();
	list.addEventListener("keydown", (ev) => {
		const i = all.indexOf(document.activeElement);
		switch (ev.key) {
		case "ArrowDown": move(i + 1); break;
		case "ArrowUp": move(i - 1); break;
		case "Home": move(0); break;
		case "End": move(-1); break;
		case "Escape": closeMenu(true); break;
		case "Tab": closeMenu(true); return;
		default: {
			if (ev.key.length !== 1 || ev.ctrlKey || ev.metaKey || ev.altKey) return;
			const hit = [...all.slice(i + 1), ...all].find((e) => e.textContent.trim().toLowerCase().startsWith(ev.key.toLowerCase()));
			if (ev.key === " ") return;
			hit?.focus();
		}
		}
		ev.preventDefault();
		ev.stopPropagation();
	});
	openMenu = { at, list };
	all[0]?.focus();
}

export function closeMenu(refocus) {
	if (!openMenu) return;
	const { at, list } = openMenu;
	openMenu = null;
	list.remove();
	at.setAttribute("aria-expanded", "false");
	if (!refocus) return;
	// The card may have been drawn anew meanwhile.
	const back = at.isConnected ? at : document.querySelector(`[data-message="${CSS.escape(at.dataset.of ?? "")}"] [aria-haspopup]`);
	back?.focus();
}

addEventListener("pointerdown", (ev) => { if (openMenu && !openMenu.list.contains(ev.target) && !openMenu.at.contains(ev.target)) closeMenu(); }, true);
addEventListener("resize", () => closeMenu());

/** Asks yes or no. */
export function confirm(text, yes, danger) {
	return new Promise((resolve) => {
		const d = h("dialog", { class: "ask", "aria-label": text },
			h("p", null, text),
			h("div", { class: "actions" },
				h("button", { type: "button", class: "b", onclick: () => d.close("") }, "Cancel"),
				h("button", { type: "button", class: "b " + (danger ? "danger" : "primary"), autofocus: true, "data-yes": true, onclick: () => d.close("yes") }, yes)));
		d.addEventListener("close", () => { d.remove(); closed(false); resolve(d.returnValue === "yes"); });
		document.body.append(d);
		d.showModal();
	});
}

/** Gathers what is typed in e though nothing there takes it just now; the answer gives it, and ends that. */
export function typedAhead(e) {
	let text = "";
	const on = (k) => {
		if (k.ctrlKey || k.metaKey || k.altKey || k.isComposing) return;
		if ([...k.key].length === 1) text += k.key;
		else if (k.key === "Backspace") text = text.slice(0, -1);
		else return;
		k.preventDefault();
		k.stopPropagation();
	};
	e.addEventListener("keydown", on, true);
	return () => { e.removeEventListener("keydown", on, true); return text; };
}

/** Puts text where the cursor stands in a field that has the focus, as if it were typed. */
export function type(field, text) {
	if (!text || !field?.setRangeText || field.type === "checkbox") return;
	field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
	field.dispatchEvent(new Event("input"));
}

/** Puts the focus, and the cursor with it, where text goes: a dialog that was closed gives back the one without the other. */
export function focusField(field) {
	field.blur();
	field.focus({ preventScroll: true });
}

/** Tells the page that a dialog is gone; done: what it asked for was done. typed was written meanwhile. */
export const closed = (done, typed) => document.dispatchEvent(new CustomEvent("dialog-closed", { detail: { done, typed } }));

// ---- storage that may be off

export const session = storage("sessionStorage"), local = storage("localStorage");

function storage(kind) {
	let s = null;
	try { s = window[kind]; } catch { /* off */ }
	return {
		get(k) { try { return JSON.parse(s?.getItem("groupmail." + k) ?? "null"); } catch { return null; } },
		set(k, v) {
			try {
				if (v === null || v === undefined) s?.removeItem("groupmail." + k);
				else s?.setItem("groupmail." + k, JSON.stringify(v));
			} catch { /* full or off */ }
		},
	};
}
