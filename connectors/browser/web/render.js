// How one message looks. Functions here make elements from what the server sent; what pressing does
// is handed in.

import { h, icon, avatar, time, rich, line, plain, size, menu } from "./dom.js";
import { boot, base } from "./live.js";

const people = new Map(boot.people.map((p) => [p.id, p]));
const handles = new Map(boot.people.map((p) => [p.handle.toLowerCase(), p.id === boot.me ? "me" : "other"]));
handles.set(boot.bot.handle, "bot");
export const nameOf = (id) => (id ? people.get(id)?.name ?? id : boot.bot.name);

/** One line that says what a message is, for screen readers and previews. */
export function gist(m) {
	if (m.deleted) return "Deleted message";
	if (!m.card) return nameOf(m.who) + ": " + (m.text || (m.files ?? []).map((f) => f.name).join(", "));
	return m.card.notice || [plain(m.card.status), m.card.title, plain(m.card.lines?.[0])].filter(Boolean).join(" – ") || boot.bot.name;
}

/** A message. act has press(m, button, element), thread(m), edit(m), remove(m), dismiss(m), link(m), note(m). */
export function message(m, { compact, inThread, act, unreadReplies }) {
	const byBot = !m.who;
	const e = h("article", {
		class: "msg" + (compact ? " compact" : "") + (m.whisper ? " whisper" : "") + (m.card ? " has-card" : "") + (m.deleted ? " deleted" : ""),
		"data-message": m.id, tabindex: "-1", "aria-label": gist(m).slice(0, 300),
	});
	e.append(h("div", { class: "gutter" }, compact ? time(m.at, true) : avatar(nameOf(m.who), byBot)));
	const body = h("div", { class: "body" });
	e.append(body);
	if (m.whisper) {
		body.append(h("p", { class: "only-you" }, icon("eye"), "Only you can see this",
			h("button", { type: "button", class: "quiet", "data-dismiss": true, onclick: () => act.dismiss(m) }, "Dismiss")));
	}
	if (!compact) {
		body.append(h("p", { class: "head" }, h("bdi", { class: "who" }, nameOf(m.who)),
			byBot ? h("span", { class: "badge" }, "bot") : people.get(m.who)?.guest ? h("span", { class: "badge" }, "guest") : "",
			time(m.at, true)));
	}
	if (m.deleted) body.append(h("p", { class: "text gone" }, "This message was deleted."));
	if (m.text) {
		body.append(folding(h("p", { class: "text", dir: "auto" }, rich(m.text, (n) => handles.get(n)),
			m.edited ? h("span", { class: "edited", title: "edited " + new Date(m.edited).toLocaleString() }, " (edited)") : ""), long(m.text, 3000, 40), m.id));
	}
	if (m.card) body.append(card(m, act));
	if (m.files?.length) body.append(files(m));
	if (m.thread?.count > 0 && !inThread) {
		body.append(h("button", { type: "button", class: "replies" + (unreadReplies ? " unread" : ""), "data-thread": m.id, onclick: () => act.thread(m) },
			h("span", { class: "faces" }, m.thread.who.map((w) => avatar(nameOf(w), !w))),
			h("b", null, m.thread.count === 1 ? "1 reply" : m.thread.count + " replies"),
			unreadReplies ? h("span", { class: "dot", title: "new" }, h("span", { class: "sr" }, "new")) : "",
			h("span", { class: "faint" }, "last ", time(m.thread.last))));
	}
	if (!m.whisper && !m.deleted) e.append(tools(m, inThread, act));
	return e;
}

function tools(m, inThread, act) {
	const mine = m.who === boot.me, byBot = !m.who;
	const b = (name, label, run) => h("button", { type: "button", class: "icon", title: label, "aria-label": label, "data-tool": name, onclick: run }, icon(name));
	const box = h("div", { class: "tools", role: "group", "aria-label": "Message" });
	if (!m.root && !inThread && !m.room.startsWith("@")) box.append(b("thread", "Reply in thread", () => act.thread(m)));
	if (mine) box.append(b("edit", "Edit", () => act.edit(m)));
	const more = [{ label: "Copy link", icon: "link", id: "copylink", run: () => act.link(m) }];
	if (m.root && !byBot && m.text) more.push({ label: "Keep as a note", icon: "file", id: "note", run: () => act.note(m) });
	if (mine || byBot) more.push({ label: "Delete message", icon: "trash", id: "delete", danger: true, run: () => act.remove(m) });
	const dots = h("button", { type: "button", class: "icon", title: "More", "aria-label": "More", "aria-haspopup": "menu", "aria-expanded": "false", "data-tool": "more" }, icon("more"));
	dots.addEventListener("click", () => menu(dots, more, "Message"));
	box.append(dots);
	return box;
}

export function card(m, act) {
	const c = m.card;
	const e = h("div", { class: "card tone-" + (c.tone || "plain"), "data-drawing": c.drawing });
	if (c.notice && !c.status && !c.title && !c.lines) e.append(h("p", { class: "line" }, c.notice));
	if (c.status?.length) e.append(h("p", { class: "status" }, line(c.status)));
	if (c.title) e.append(h("h3", { class: "title", dir: "auto" }, c.title));
	for (const l of c.lines ?? []) e.append(h("p", { class: "line" }, line(l)));
	if (c.quote) e.append(quote(c.quote, c.clipped, m.whisper ? null : m.id)); // who asked to read wants to read
	if (c.footer?.length) e.append(h("p", { class: "footer" }, line(c.footer)));
	if (c.buttons?.length) {
		const row = h("div", { class: "actions" });
		for (const b of c.buttons) row.append(button(m, b, act));
		e.append(row);
	}
	return e;
}

const label = (text) => h("bdi", { class: "label-text" }, text);

function button(m, b, act) {
	const cls = "b" + (b.style ? " " + b.style : "");
	if (b.url) return h("a", { class: cls, href: b.url, target: "_blank", rel: "noopener noreferrer nofollow" }, label(b.label), icon("out"));
	if (b.menu) {
		const e = h("button", { type: "button", class: cls + " opens", "aria-haspopup": "menu", "aria-expanded": "false", "data-of": m.id, "data-menu": true }, label(b.label), icon("chevron"));
		e.addEventListener("click", () => menu(e, b.menu.map((i) => ({ id: i.id, label: i.label, url: i.url, danger: i.style === "danger", run: () => act.press(m, i, e) })), b.label));
		return e;
	}
	const e = h("button", { type: "button", class: cls, "data-button": b.id }, label(b.label));
	e.addEventListener("click", () => act.press(m, b, e));
	return e;
}

const opened = new Set(); // what the reader has unfolded
const long = (text, chars, lines) => text.length > chars || text.split("\n").length > lines;

/** Words, and what folds them where they are long. */
function folding(words, isLong, id) {
	if (!isLong) return words;
	const set = (open) => {
		words.classList.toggle("folded", !open);
		more.textContent = open ? "Show less" : "Show more";
		more.setAttribute("aria-expanded", String(open));
		if (open) opened.add(id); else opened.delete(id);
	};
	const more = h("button", { type: "button", class: "quiet unfold", onclick: () => set(words.classList.contains("folded")) });
	set(opened.has(id));
	return h("div", null, words, more);
}

/** Words from outside: never formatted; folded when long, if they have an id. */
export function quote(text, clipped, id) {
	const words = h("div", { class: "words", dir: "auto" }, rich(text), clipped ? h("span", { class: "faint" }, " …") : "");
	return h("blockquote", { class: "quote" + (clipped ? " clipped" : "") }, folding(words, id && long(text, 700, 9), id));
}

function files(m) {
	return h("ul", { class: "files", "aria-label": "Files" }, m.files.map((f) => {
		const href = base + f.url;
		return h("li", null, h("a", { class: "file" + (f.image ? " image" : ""), href, download: f.name, title: f.name },
			f.image ? h("img", { src: href, alt: "", loading: "lazy" }) : h("span", { class: "kind" }, icon("file")),
			h("span", { class: "fname" }, h("bdi", null, f.name)), h("span", { class: "faint" }, size(f.size))));
	}));
}

/**
 * Makes the children of a list what items say, touching only what differs. An item is
 * {key, ver, make()}; what had the focus has it again.
 */
export function reconcile(list, items) {
	const had = new Map();
	for (const e of list.children) had.set(e.dataset.key, e);
	const active = list.contains(document.activeElement) ? document.activeElement : null;
	const seat = active && { key: active.closest("[data-key]")?.dataset.key, button: active.dataset.button, tool: active.dataset.tool,
		thread: active.dataset.thread, menu: active.dataset.menu, self: active.matches(".msg") };
	let at = list.firstElementChild;
	const added = [];
	for (const i of items) {
		let e = had.get(i.key);
		if (e && e.dataset.ver !== i.ver) {
			const fresh = i.make();
			fresh.dataset.key = i.key;
			fresh.dataset.ver = i.ver;
			for (const c of ["flash", "target"]) if (e.classList.contains(c)) fresh.classList.add(c);
			if (at === e) at = fresh;
			e.replaceWith(fresh);
			i.changed?.(fresh, e);
			e = fresh;
		} else if (!e) {
			e = i.make();
			e.dataset.key = i.key;
			e.dataset.ver = i.ver;
			added.push(e);
		}
		had.delete(i.key);
		if (at === e) at = at.nextElementSibling;
		else list.insertBefore(e, at);
	}
	for (const e of had.values()) e.remove();
	if (seat && !active.isConnected) {
		const e = [...list.children].find((c) => c.dataset.key === seat.key);
		const same = (k, v) => v !== undefined && e?.querySelector(`[data-${k}="${CSS.escape(v)}"]`);
		(same("button", seat.button) || same("tool", seat.tool) || same("thread", seat.thread) || same("menu", seat.menu) || e)?.focus({ preventScroll: true });
	}
	return added;
}
