// The page: what is known of channels and threads, and how it is laid out. render.js makes the
// messages, compose.js the boxes to write in, forms.js the dialogs, live.js speaks with the server.

import { $, h, icon, avatar, dayKey, dayName, toast, menu, menuIsOpen, closeMenu, confirm, session, local, onNewDay, line, type, focusField, closed } from "./dom.js";
import { boot, get, send, live, Refusal } from "./live.js";
import { message, card, gist, nameOf, reconcile } from "./render.js";
import { composer, droppable } from "./compose.js";
import { openForm, reopenForm } from "./forms.js";

const of = (id) => `[data-message="${CSS.escape(id)}"]`;
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const phone = matchMedia("(max-width: 760px)");
const people = new Map(boot.people.map((p) => [p.id, p]));

// ---- what is known

const rooms = new Map(); // id → {…viewChannel, messages, loaded, older, whispers, unread, lastRead, divider}
for (const c of boot.channels) {
	const lastRead = local.get("read." + boot.me + "." + c.id);
	rooms.set(c.id, {
		...c, messages: new Map(), pinned: new Map(), whispers: new Map(), loaded: false, older: false, divider: 0,
		lastRead: lastRead ?? (c.recent?.[0] ?? 0),
		unread: new Set(lastRead === null ? [] : (c.recent ?? []).filter((n) => n > lastRead)),
	});
	if (lastRead === null) local.set("read." + boot.me + "." + c.id, c.recent?.[0] ?? 0);
}
let room = rooms.get(boot.room.id); // the one that is shown
let thread = null; // {root (id), replies, loaded} where a thread is open
const freshThreads = new Set(); // roots with replies that were not looked at

const address = (r) => boot.root + "/as/" + encodeURIComponent(boot.me) + "/" + (r.direct ? "@" + boot.bot.handle : encodeURIComponent(r.id));

function fill(r, page, keepOlder) {
	if (!keepOlder) r.messages.clear();
	for (const m of page.messages) put(r.messages, m);
	for (const m of page.pinned ?? []) put(r.pinned, m);
	r.older = page.older;
	r.loaded = true;
}

/** Keeps a message unless a newer state of it is known. */
function put(map, m) {
	const old = map.get(m.id);
	if (old && old.seq > m.seq) return false;
	if (old?.thread && !m.thread) m.thread = old.thread;
	map.set(m.id, m);
	return true;
}

const top = (r) => [...r.messages.values()].sort((a, b) => a.number - b.number);

// ---- what comes in

/** Applies changes, from the stream or from an answer. */
function apply(changes, quietly) {
	const say = [];
	for (const c of changes ?? []) {
		if (c.dismiss) {
			for (const r of rooms.values()) r.whispers.delete(c.dismiss);
			continue;
		}
		const m = c.message, r = rooms.get(m.room);
		if (!r) continue;
		if (m.whisper) {
			const known = r.whispers.get(m.id);
			if (known && known.seq >= m.seq) continue;
			r.whispers.set(m.id, m);
			if (!known) {
				say.push("Only you can see this: " + gist(m));
				if (m.card?.until) setTimeout(() => { if (r.whispers.get(m.id)?.seq === m.seq) act.dismiss(m); }, Math.max(0, new Date(m.card.until) - Date.now()));
				if (r !== room || document.hidden) r.unread.add(m.id);
				if (r === room) fresh.whisper = m.id;
			}
			continue;
		}
		if (m.root) {
			const root = r.messages.get(m.root);
			if (root && m.parent && !(root.threadSeq > m.seq)) {
				root.thread = m.parent.count ? m.parent : undefined;
				root.threadSeq = m.seq;
			}
			const open = thread?.root === m.root;
			if (open) {
				const known = thread.replies.get(m.id);
				if (put(thread.replies, m) && !known && m.who !== boot.me) say.push(gist(m));
			} else if (!m.deleted && !m.edited && m.who !== boot.me && (m.card?.drawing ?? 1) === 1 && !seen(m)) {
				freshThreads.add(m.root);
			}
			continue;
		}
		if (m.deleted) r.pinned.delete(m.id);
		else if (m.pinned) put(r.pinned, m);
		const known = r.messages.get(m.id);
		const oldest = r.loaded && r.older ? Math.min(...[...r.messages.values()].map((x) => x.number)) : 0;
		if (r.loaded && m.number >= oldest) {
			if (m.deleted && !m.thread) r.messages.delete(m.id);
			else if (!put(r.messages, m)) continue;
			if (known && !known.deleted && m.card && m.card.drawing !== known.card?.drawing) fresh.changed.add(m.id);
		}
		if (!known && !m.deleted && m.number > r.lastRead && m.who !== boot.me && !m.edited && (m.card?.drawing ?? 1) === 1) {
			r.unread.add(m.number);
			if (r === room) say.push(gist(m));
			if (r === room && atEnd($("scroll")) === false) fresh.below++;
		}
		if (m.deleted) r.unread.delete(m.number);
		if (m.who === boot.me && !known && r === room) fresh.mine = true;
	}
	show();
	if (!quietly && say.length) announce(say.slice(-3).join(". "));
}

const seenReplies = new Set();
function seen(m) {
	if (seenReplies.has(m.id)) return true;
	seenReplies.add(m.id);
	return false;
}

const fresh = { changed: new Set(), below: 0, mine: false, whisper: null };

function announce(text) {
	const p = h("p", null, text.slice(0, 400));
	$("live").append(p);
	setTimeout(() => p.remove(), 8000);
}

// ---- laying out

const sameBlock = (a, b) => a && !a.card && !b.card && a.who === b.who && a.who && !a.deleted && !b.deleted && !a.thread &&
	new Date(b.at) - new Date(a.at) < 5 * 60_000 && dayKey(new Date(a.at)) === dayKey(new Date(b.at));

const pressedInThread = new Set(); // roots whose card was last pressed in the thread's pane

/** Whispers by the message that they stand beneath; "" is the end. */
function whispersOf(r, inThread) {
	const by = new Map();
	const beside = (w) => thread && (w.root === thread.root || (w.anchor === thread.root && pressedInThread.has(w.anchor)));
	for (const w of [...r.whispers.values()].sort((a, b) => a.seq - b.seq)) {
		let at;
		if (inThread) {
			if (!beside(w)) continue;
			at = thread.replies.has(w.anchor) || w.anchor === thread.root ? w.anchor : "";
		} else {
			if (beside(w)) continue;
			at = r.messages.has(w.anchor) ? w.anchor : r.messages.has(w.root) ? w.root : "";
		}
		by.set(at, [...by.get(at) ?? [], w]);
	}
	return by;
}

function layOut(messages, whispers, { inThread, divider }) {
	const items = [];
	const whisper = (w) => items.push({ key: w.id, ver: String(w.seq), make: () => message(w, { act, inThread }) });
	let before = null, day = null, divided = !divider;
	for (const m of messages) {
		const d = new Date(m.at);
		if (!inThread && dayKey(d) !== day) {
			day = dayKey(d);
			items.push({ key: "day " + day, ver: dayName(d), make: () => h("div", { class: "day", role: "separator" }, h("span", null, dayName(d))) });
			before = null;
		}
		if (!divided && m.number > divider && m.who !== boot.me) {
			divided = true;
			items.push({ key: "divider", ver: "", make: () => h("div", { class: "divider", role: "separator" }, h("span", null, "New")) });
			before = null;
		}
		const compact = sameBlock(before, m);
		const unreadReplies = freshThreads.has(m.id);
		items.push({
			key: m.id, ver: [m.seq, compact, m.thread?.count ?? 0, m.thread?.last ?? "", unreadReplies, editing === m.id].join(),
			make: () => (editing === m.id ? editor(m) : message(m, { compact, inThread, act, unreadReplies })),
			changed: (e) => { if (fresh.changed.has(m.id)) flash(e); },
		});
		const beneath = whispers.get(m.id);
		if (beneath) beneath.forEach(whisper);
		before = beneath ? null : m;
		if (inThread && m.id === thread.root) {
			const n = messages.length - 1;
			items.push({ key: "count", ver: String(n), make: () => h("div", { class: "count", role: "separator" }, h("span", null, n === 0 ? "No replies yet" : n === 1 ? "1 reply" : n + " replies")) });
			before = null;
		}
	}
	(whispers.get("") ?? []).forEach(whisper);
	return items;
}

function flash(e) {
	if (calm.matches) return;
	e.classList.add("flash");
	setTimeout(() => e.classList.remove("flash"), 1200);
}

const atEnd = (s) => s.scrollHeight - s.scrollTop - s.clientHeight < 60;
const toEnd = (s) => { s.scrollTop = s.scrollHeight; };

let drawn = null; // the room that the list shows

/** Makes the page show what is known. */
function show() {
	const s = $("scroll"), stick = drawn !== room || atEnd(s) || fresh.mine;
	const items = room.loaded ? layOut(top(room), whispersOf(room, false), { divider: room.divider }) : [];
	if (room.loaded && !room.older) items.unshift({ key: "start", ver: "", make: start });
	if (drawn !== room) $("list").replaceChildren();
	reconcile($("list"), items);
	drawn = room;
	showPins();
	if (stick && room.loaded) { toEnd(s); fresh.below = 0; }
	showThread();
	if (fresh.whisper) {
		const e = document.querySelector(of(fresh.whisper));
		const box = e?.closest(".scroll");
		if (e && box) {
			const r = e.getBoundingClientRect(), b = box.getBoundingClientRect();
			if (r.top < b.bottom && r.bottom > b.bottom && r.height < b.height) e.scrollIntoView({ block: "end", behavior: calm.matches ? "auto" : "smooth" });
		}
	}
	fresh.changed.clear();
	fresh.mine = false;
	look();
	showSide();
}

const unfolded = new Set(); // pinned messages that are shown whole

/** What is pinned stands above the messages: a line each, and whole when it is opened. */
function showPins() {
	const pins = [...room.pinned.values()];
	$("pins").hidden = !pins.length;
	reconcile($("pins"), pins.map((m) => ({
		key: "pin " + m.id, ver: String(m.seq),
		make: () => {
			const e = h("details", { class: "pin tone-" + (m.card.tone || "plain"), open: unfolded.has(m.id) },
				h("summary", null, icon("pin"), h("b", null, m.card.title), " ", line(m.card.status ?? [])), card(m, act));
			e.addEventListener("toggle", () => { if (e.open) unfolded.add(m.id); else unfolded.delete(m.id); });
			return e;
		},
	})));
}

function start() {
	if (room.direct) return h("div", { class: "start" }, avatar(boot.bot.name, true), h("h2", null, boot.bot.name), h("p", null, "What " + boot.bot.name + " tells you alone stands here. It does not read answers here: write in a channel or a thread."));
	return h("div", { class: "start" }, h("h2", null, icon(room.private ? "lock" : "hash"), room.title), h("p", null, "This is where the channel begins. Mail that comes in is shown here; whoever takes it answers it."));
}

function showThread() {
	const pane = $("thread");
	pane.hidden = !thread;
	$("app").classList.toggle("with-thread", Boolean(thread));
	if (!thread) return;
	$("thread-where").textContent = (room.direct ? "" : "#") + room.title;
	if (!thread.loaded) return;
	const s = $("thread-scroll"), stick = thread.fresh || atEnd(s);
	const root = room.messages.get(thread.root) ?? thread.rootMessage;
	const replies = [...thread.replies.values()].filter((m) => !m.deleted).sort((a, b) => a.number - b.number);
	reconcile($("thread-list"), layOut([root, ...replies], whispersOf(room, true), { inThread: true }));
	if (stick) toEnd(s);
	thread.fresh = false;
}

/** Marks as read what is being looked at, and says what is not. */
function look() {
	const s = $("scroll"), end = atEnd(s);
	if (room.loaded && end && !document.hidden && document.hasFocus()) {
		const last = Math.max(0, ...[...room.messages.values()].map((m) => m.number));
		if (last > room.lastRead) {
			room.lastRead = last;
			local.set("read." + boot.me + "." + room.id, last);
		}
		room.unread.clear();
	} else if (room.unread.size && !room.divider) {
		room.divider = room.lastRead;
	}
	if (end) fresh.below = 0;
	const w = fresh.whisper && document.querySelector("#list " + of(fresh.whisper));
	let where = 0;
	if (w) {
		const r = w.getBoundingClientRect(), b = s.getBoundingClientRect();
		where = r.bottom < b.top + 20 ? -1 : r.top > b.bottom - 20 ? 1 : 0;
		if (!where) fresh.whisper = null;
	}
	const jump = $("jump");
	jump.hidden = !where && end;
	if (where) jump.replaceChildren(icon(where < 0 ? "up" : "down"), boot.bot.name + " told you something");
	else jump.replaceChildren(icon("down"), fresh.below ? (fresh.below === 1 ? "1 new message" : fresh.below + " new messages") : "To the newest");
	jump.classList.toggle("strong", Boolean(where || fresh.below));
	const far = s.scrollHeight - s.scrollTop - s.clientHeight > 400;
	if (!where && !fresh.below && !far) jump.hidden = true;
	const n = [...rooms.values()].reduce((sum, r) => sum + r.unread.size, 0);
	document.title = (n ? "(" + n + ") " : "") + (room.direct ? "" : "#") + room.title + " – " + nameOf(boot.me);
}

let online = new Set();

function showSide() {
	const entry = (r) => h("li", null, h("a", {
		href: address(r), class: "to" + (r.unread.size ? " unread" : ""), "aria-current": r === room ? "page" : null, "data-room": r.id,
		onclick: (e) => { if (e.metaKey || e.ctrlKey || e.shiftKey || e.button) return; e.preventDefault(); enter(r, { push: true }); },
	}, r.direct ? avatar(boot.bot.name, true) : icon(r.private ? "lock" : "hash"), h("bdi", { class: "label" }, r.title),
	r.unread.size ? h("span", { class: "pill" }, r.unread.size > 29 ? "30+" : String(r.unread.size), h("span", { class: "sr" }, " unread")) : ""));
	const all = [...rooms.values()];
	sync($("channels"), all.filter((r) => !r.direct), entry, (r) => r.unread.size + " " + (r === room));
	sync($("directs"), all.filter((r) => r.direct), entry, (r) => r.unread.size + " " + (r === room));
	const members = room.direct ? boot.people : boot.people.filter((p) => room.members?.includes(p.id));
	sync($("people"), members, (p) => h("li", { class: "person" }, h("span", { class: "face" }, avatar(p.name),
		h("span", { class: "presence" + (online.has(p.id) ? " on" : "") })), h("bdi", { class: "label" }, p.name),
	p.id === boot.me ? h("span", { class: "faint" }, "you") : p.guest ? h("span", { class: "badge" }, "guest") : "",
	h("span", { class: "sr" }, online.has(p.id) ? " here" : " away")), (p) => String(online.has(p.id)));
	const others = all.some((r) => r !== room && r.unread.size);
	$("side-open").classList.toggle("unread", others);
}

/** Keeps a small list as data says, by position. */
function sync(list, data, make, ver) {
	reconcile(list, data.map((d) => ({ key: d.id, ver: ver(d), make: () => make(d) })));
}

function showRoom() {
	$("title").replaceChildren(room.direct ? icon("bot") : icon(room.private ? "lock" : "hash"), h("bdi", null, room.title));
	const n = room.members?.length;
	$("bar-note").textContent = n ? n + (n === 1 ? " person" : " people") + " and " + boot.bot.name : "";
	main.form.hidden = Boolean(room.direct);
	main.load();
}

// ---- going about

async function enter(r, { push, message: target, thread: root, focus = true } = {}) {
	const other = r !== room;
	if (other) {
		closeThread({ stay: true });
		editing = null;
		room = r;
		fresh.below = 0;
	}
	if (push) history.pushState(null, "", address(r) + (root ? "?thread=" + root : "") + (target ? "#" + target : ""));
	side(false);
	room.divider = room.unread.size ? room.lastRead : 0;
	if (other) showRoom();
	if (!r.loaded) {
		show();
		try { fill(r, await get("room", { room: r.id })); } catch (e) { toast(e.message); return; }
		if (r !== room) return;
	}
	show();
	if (room.divider) document.querySelector("#list .divider")?.scrollIntoView({ block: "center" });
	if (root) await openThread(root, { focus: false });
	if (target) await goTo(target);
	else if (focus && !phone.matches && !root) (room.direct ? $("scroll") : main.box).focus();
	look();
}

/** Scrolls to a message, wherever it is, and shows which. */
async function goTo(id) {
	let e = document.querySelector("#list " + of(id));
	if (!e) {
		let m;
		try { m = await get("message", { id }); } catch { toast("This message is gone."); return; }
		const r = rooms.get(m.room);
		if (!r) return;
		if (r !== room) { await enter(r, { push: true, message: id }); return; }
		if (m.root) {
			await openThread(m.root, {});
			mark(document.querySelector("#thread-list " + of(id)));
			return;
		}
		const first = Math.min(...top(room).map((x) => x.number));
		try { fill(room, await get("older", { room: room.id, before: first, to: m.number }), true); } catch (err) { toast(err.message); return; }
		show();
		e = document.querySelector("#list " + of(id));
	}
	mark(e);
}

function mark(e) {
	if (!e) return;
	for (const old of document.querySelectorAll(".msg.target")) old.classList.remove("target");
	e.scrollIntoView({ block: "center" });
	e.classList.add("target");
	e.focus({ preventScroll: true });
	setTimeout(() => e.classList.remove("target"), 4000);
}

async function openThread(root, { push, focus = true } = {}) {
	if (thread?.root === root) { if (focus) side2.box.focus(); return; }
	thread = { root, replies: new Map(), loaded: false, fresh: true, rootMessage: null };
	const mine = thread;
	freshThreads.delete(root);
	editing = null;
	$("thread-list").replaceChildren();
	const url = address(room) + "?thread=" + root;
	if (push && phone.matches) history.pushState({ thread: root }, "", url); else history.replaceState(history.state, "", url);
	show();
	side2.load();
	try {
		const t = await get("thread", { root });
		if (thread !== mine) return;
		mine.rootMessage = t.root;
		if (room.messages.has(root)) put(room.messages, t.root);
		for (const m of t.replies) { put(mine.replies, m); seenReplies.add(m.id); }
		mine.loaded = true;
	} catch (e) {
		toast(e.message);
		closeThread();
		return;
	}
	show();
	if (focus) side2.box.focus();
}

function closeThread({ stay, focus } = {}) {
	if (!thread) return;
	const root = thread.root;
	thread = null;
	editing = null;
	if (!stay) history.replaceState(null, "", address(room));
	show();
	if (focus) (document.querySelector(`#list [data-thread="${root}"]`) ?? document.querySelector("#list " + of(root)) ?? main.box).focus({ preventScroll: true });
}

function route() {
	const parts = location.pathname.slice(boot.root.length).split("/").map(decodeURIComponent);
	const r = parts[3] === "@" + boot.bot.handle ? [...rooms.values()].find((x) => x.direct) : rooms.get(parts[3]);
	return { r: r ?? room, root: new URLSearchParams(location.search).get("thread"), target: location.hash.slice(1) };
}

function side(open) {
	$("app").classList.toggle("side-open", open);
	$("shade").hidden = !open;
	if (open) $("side-close").focus();
}

// ---- what people do

const originOf = (m, b) => [boot.me, m.room, m.id[0] === "w" ? m.anchor || m.root || m.room : m.id, b.id].join(".");

let editing = null;

const act = {
	async press(m, b, e) {
		if (e.getAttribute("aria-busy")) return;
		if (b.confirm && !(await confirm(b.confirm, b.label, b.style === "danger"))) return;
		if (e.closest("#thread")) pressedInThread.add(m.id); else pressedInThread.delete(m.id);
		e.setAttribute("aria-busy", "true");
		try {
			const r = await send("press", { message: m.id, drawing: m.card.drawing, button: b.id });
			answered(r, originOf(m, b));
		} catch (err) {
			if (!(err instanceof Refusal)) console.error(err);
			toast(err instanceof Refusal ? err.message : "That did not work. Please try again.");
		} finally {
			e.removeAttribute("aria-busy");
		}
	},
	thread: (m) => openThread(m.id, { push: true }),
	edit(m) { editing = m.id; show(); document.querySelector(".editor textarea")?.focus(); },
	async remove(m) {
		if (!(await confirm(m.who ? "Delete this message?" : "Delete this message of " + boot.bot.name + "’s for everybody?", "Delete", true))) return;
		try { await send("delete", { message: m.id }); } catch (e) { toast(e.message); }
	},
	async dismiss(m) {
		const e = document.querySelector(of(m.id)), list = e?.contains(document.activeElement) && e.closest(".scroll");
		rooms.get(m.room).whispers.delete(m.id);
		show();
		if (list) list.focus({ preventScroll: true }); // it is gone that had the focus; else somebody writes
		try { await send("dismiss", { whisper: m.id }); } catch (e) { toast(e.message); }
	},
	/** Keeps what a message says, as if it were typed behind /mail note here in its thread. */
	async note(m) {
		try {
			const [main] = await get("commands");
			answered(await send("command", { room: m.room, root: m.root, name: main.name, text: "note here " + m.text }), [boot.me, m.room, m.id, "note"].join("."));
		} catch (e) { toast(e.message); }
	},
	async link(m) {
		const url = location.origin + boot.root + "/to/" + encodeURIComponent(m.room) + "/" + m.id;
		try { await navigator.clipboard.writeText(url); toast("The link is copied."); } catch { toast(url); }
	},
};

function answered(r, origin) {
	apply(r.news);
	if (r.form) openForm(r.form, origin, (x) => apply(x.news));
}

function editor(m) {
	const box = h("textarea", { rows: "2", "aria-label": "Edit your message", maxlength: boot.maxSaid });
	box.value = session.get("draft.edit." + m.id) ?? m.text ?? "";
	const done = () => { editing = null; session.set("draft.edit." + m.id, null); show(); document.querySelector(of(m.id))?.focus(); };
	const fault = h("p", { class: "fault", role: "alert", hidden: true });
	const save = async () => {
		if (!box.value.trim() && !m.files?.length) { fault.textContent = "To take it back, delete the message."; fault.hidden = false; return; }
		try { await send("edit", { message: m.id, text: box.value.trim() }); done(); } catch (e) { fault.textContent = e.message; fault.hidden = false; }
	};
	const fit = () => { box.style.height = "auto"; box.style.height = Math.min(box.scrollHeight + 2, innerHeight * 0.4) + "px"; };
	box.addEventListener("input", () => { session.set("draft.edit." + m.id, box.value); fit(); });
	box.addEventListener("keydown", (e) => {
		if (e.isComposing) return;
		if (e.key === "Enter" && !e.shiftKey) { e.preventDefault(); save(); }
		if (e.key === "Escape") { e.preventDefault(); e.stopPropagation(); done(); }
	});
	box.addEventListener("keypress", (e) => { if (e.key === "Enter" && !e.shiftKey) e.preventDefault(); });
	setTimeout(() => { fit(); box.setSelectionRange(box.value.length, box.value.length); });
	return h("article", { class: "msg editor", "data-message": m.id }, h("div", { class: "gutter" }, avatar(nameOf(m.who))),
		h("div", { class: "body" }, box, fault, h("div", { class: "actions" },
			h("button", { type: "button", class: "b", onclick: done }, "Cancel"), h("button", { type: "button", class: "b primary", onclick: save }, "Save"),
			h("span", { class: "faint" }, "Enter saves, Esc cancels"))));
}

function editLast(inThread) {
	const all = inThread ? [...thread.replies.values()].sort((a, b) => a.number - b.number) : top(room);
	const m = all.findLast((x) => x.who === boot.me && !x.deleted);
	if (m) act.edit(m);
	return Boolean(m);
}

// ---- the parts of the page

const membersOf = () => boot.people.filter((p) => room.direct || room.members?.includes(p.id));
const main = composer("composer", {
	where: () => ({ room: room.id, root: null, title: (room.direct ? "" : "#") + room.title, draft: "draft." + boot.me + "." + room.id }),
	done: (r, kind, text) => { fresh.mine = true; answered(r, [boot.me, room.id, "command", text.split(/\s+/).slice(0, 2).join(" ")].join(".")); },
	arrowUp: () => editLast(false), members: membersOf,
});
const side2 = composer("thread-composer", {
	where: () => ({ room: room.id, root: thread?.root ?? null, title: "the thread", draft: "draft." + boot.me + "." + room.id + "." + (thread?.root ?? "") }),
	done: (r, kind, text) => { if (thread) thread.fresh = true; answered(r, [boot.me, room.id, thread?.root, "command", text.split(/\s+/).slice(0, 2).join(" ")].join(".")); },
	arrowUp: () => editLast(true), members: membersOf,
});
$("composer-place").append(main.form);
$("thread-composer-place").append(side2.form, h("p", { class: "aside-note" }, "Internal, unless it begins with @" + boot.bot.handle + "."));
droppable($("main"), (f) => main.attach(f));
droppable($("thread"), (f) => side2.attach(f));

$("me-avatar").replaceWith(avatar(nameOf(boot.me)));
$("side-open").append(icon("menu"));
$("side-close").append(icon("close"));
$("thread-close").append(icon("close"));
$("thread-back").append(icon("back"));
$("help").append(icon("keys"));
$("side-open").addEventListener("click", () => side(true));
$("side-close").addEventListener("click", () => { side(false); $("side-open").focus(); });
$("shade").addEventListener("click", () => side(false));
$("thread-close").addEventListener("click", () => closeThread({ focus: true }));
$("thread-back").addEventListener("click", () => (history.state?.thread ? history.back() : closeThread({ focus: true })));
if (boot.links.length) {
	$("links-part").hidden = false;
	$("links").append(...boot.links.map((l) => h("li", null, h("a", { class: "to", href: l.URL, target: "_blank", rel: "noopener" }, icon("out"), h("span", { class: "label" }, l.Title)))));
}

const themes = { auto: "Colours: as the system", light: "Colours: light", dark: "Colours: dark" };
function theme(next) {
	if (next) {
		if (next === "auto") { delete document.documentElement.dataset.theme; localStorage.removeItem("groupmail.theme"); } else {
			document.documentElement.dataset.theme = next;
			localStorage.setItem("groupmail.theme", next);
		}
	}
	const now = document.documentElement.dataset.theme ?? "auto";
	$("theme").replaceChildren(icon({ auto: "auto", light: "sun", dark: "moon" }[now]));
	$("theme").setAttribute("aria-label", themes[now]);
	$("theme").title = themes[now];
	return now;
}
$("theme").addEventListener("click", () => {
	const order = ["auto", "light", "dark"];
	try { announce(themes[theme(order[(order.indexOf(theme()) + 1) % 3])]); } catch { /* storage is off */ }
});
theme();

$("jump").addEventListener("click", () => {
	const w = fresh.whisper && document.querySelector("#list " + of(fresh.whisper));
	fresh.whisper = null;
	if (w) w.scrollIntoView({ block: "center" }); else toEnd($("scroll"));
	look();
});

let loading = false;
$("scroll").addEventListener("scroll", () => {
	look();
	const s = $("scroll");
	if (s.scrollTop < 600 && room.older && room.loaded && !loading) older();
}, { passive: true });

async function older() {
	loading = true;
	const r = room, s = $("scroll");
	try {
		const page = await get("older", { room: r.id, before: Math.min(...top(r).map((m) => m.number)) });
		if (r !== room) return;
		const first = $("list").querySelector(".msg"), at = first?.getBoundingClientRect().top, was = s.scrollTop;
		fill(r, page, true);
		show();
		// Where the browser did not keep the place, we do.
		const now = first && $("list").querySelector(of(first.dataset.message));
		if (now && s.scrollTop === was) s.scrollTop += now.getBoundingClientRect().top - at;
	} catch (e) { toast(e.message); } finally { loading = false; }
}

for (const s of ["scroll", "thread-scroll"]) {
	// Pictures that load, panes that change their size: who was at the end stays there.
	let end = true;
	$(s).addEventListener("scroll", () => { end = atEnd($(s)); }, { passive: true });
	const watch = new ResizeObserver(() => { if (end) toEnd($(s)); });
	watch.observe($(s));
	watch.observe($(s).firstElementChild);
	// Arrows walk from message to message.
	$(s).addEventListener("keydown", (e) => {
		if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("textarea,input,select")) return;
		const all = [...$(s).querySelectorAll(".msg")], now = e.target.closest(".msg"), i = all.indexOf(now);
		const go = { ArrowUp: i < 0 ? all.length - 1 : i - 1, ArrowDown: i < 0 ? all.length - 1 : i + 1, Home: e.target === $(s) || now ? 0 : -1, End: all.length - 1 }[e.key];
		if (go !== undefined && all[go]) {
			e.preventDefault();
			all[go].focus({ preventScroll: true });
			all[go].scrollIntoView({ block: "nearest" });
			return;
		}
		if (!now || e.target !== now) return;
		const id = now.dataset.message, m = room.messages.get(id) ?? thread?.replies.get(id);
		if (!m) return;
		if ((e.key === "Enter" || e.key === "t") && s === "scroll" && !m.root && !room.direct) { e.preventDefault(); act.thread(m); }
		if (e.key === "e" && m.who === boot.me) { e.preventDefault(); act.edit(m); }
		if (e.key === "Delete" && (m.who === boot.me || !m.who)) { e.preventDefault(); act.remove(m); }
	});
}

const shortcuts = [
	["/", "write a command"], ["@", "mention somebody, or " + boot.bot.name], ["Enter", "send; Shift+Enter begins a new line"],
	["↑", "in an empty box: edit your last message"], ["↑ ↓", "from message to message"], ["Enter or t", "open the message’s thread"],
	["e", "edit your message"], ["Delete", "delete the message"], ["Alt+↑ ↓", "the channel above or below"], ["a letter", "to the message box, and into it"], ["Esc", "close what is open"], ["?", "this list"],
];
function help() {
	const d = h("dialog", { class: "help", "aria-labelledby": "help-title" }, h("header", null, h("h2", { id: "help-title" }, "Keyboard"),
		h("button", { type: "button", class: "icon", "aria-label": "Close", onclick: () => d.close() }, icon("close"))),
	h("dl", null, shortcuts.map(([k, what]) => h("div", null, h("dt", null, k.split(" ").map((x) => (x === "or" ? " or " : h("kbd", null, x)))), h("dd", null, what)))));
	d.addEventListener("close", () => { d.remove(); closed(false); });
	d.addEventListener("click", (e) => { if (e.target === d) d.close(); });
	document.body.append(d);
	d.showModal();
}
$("help").addEventListener("click", help);

addEventListener("keydown", (e) => {
	if (e.defaultPrevented || document.querySelector("dialog[open]")) return;
	const writing = e.target.closest?.("textarea,input,select,[contenteditable]");
	if (e.key === "Escape") {
		if (menuIsOpen()) closeMenu(true);
		else if ($("app").classList.contains("side-open")) side(false);
		else if (thread && e.target !== main.box && !(e.target === side2.box && side2.box.value)) closeThread({ focus: true });
		else if (room.divider) { room.divider = 0; show(); }
		return;
	}
	if (e.altKey && (e.key === "ArrowUp" || e.key === "ArrowDown")) {
		e.preventDefault();
		const all = [...rooms.values()], i = all.indexOf(room) + (e.key === "ArrowUp" ? -1 : 1);
		enter(all[(i + all.length) % all.length], { push: true });
		return;
	}
	if (writing || e.ctrlKey || e.metaKey || e.altKey) return;
	if (e.key === "?") { e.preventDefault(); help(); return; }
	// Whoever types does not look first where it goes. A space and Enter press what has the focus.
	if ([...e.key].length === 1 && e.key !== " " && !room.direct && !menuIsOpen()) focusField(boxBeside(document.activeElement));
});

/** The box to write in of the pane that e stands in. */
const boxBeside = (e) => (thread && e?.closest("#thread") ? side2.box : main.box);

// Where a dialog was, what is typed next goes on where it was written before, and after a form that is done into
// the box that stands beside what opened it.
document.addEventListener("dialog-closed", ({ detail: { done, typed } }) => {
	if (document.querySelector("dialog[open]")) return;
	const e = document.activeElement, writing = e?.matches("textarea,input");
	if (phone.matches && !writing) return;
	if (!writing && !done) return;
	if (!writing && room.direct) return;
	const box = writing ? e : boxBeside(e);
	focusField(box);
	type(box, typed);
});

// Links to messages of this messenger stay in this window and this person.
addEventListener("click", (e) => {
	const a = e.target.closest?.("a[href]");
	if (!a || e.defaultPrevented || e.button || e.metaKey || e.ctrlKey || e.shiftKey) return;
	const u = new URL(a.href);
	const m = u.origin === location.origin && u.pathname.startsWith(boot.root + "/to/") && u.pathname.slice(boot.root.length).split("/");
	if (!m) return;
	const r = rooms.get(decodeURIComponent(m[2]));
	if (!r) return;
	e.preventDefault();
	enter(r, { push: true, message: decodeURIComponent(m[3] ?? "") });
});

addEventListener("popstate", () => {
	const { r, root, target } = route();
	if (!root) closeThread({ stay: true });
	enter(r, { thread: root, message: target, focus: false });
});
addEventListener("hashchange", () => { const { target } = route(); if (target) goTo(target); });
addEventListener("focus", () => { look(); showSide(); });
document.addEventListener("visibilitychange", () => { if (!document.hidden) { look(); showSide(); } });
onNewDay.push(show);

// ---- and off

fill(room, boot.room);
showRoom();
room.divider = room.unread.size ? room.lastRead : 0;
{
	const { root, target } = route();
	enter(room, { thread: root, message: target, focus: !root });
}
live({
	news: (changes) => apply(changes),
	async reset() {
		try {
			fill(room, await get("room", { room: room.id }));
			for (const r of rooms.values()) if (r !== room) r.loaded = false;
			if (thread) {
				const t = await get("thread", { root: thread.root });
				thread.rootMessage = t.root;
				thread.replies.clear();
				for (const m of t.replies) put(thread.replies, m);
			}
		} catch (e) { if (e.status === 404) closeThread(); else toast(e.message); }
		show();
	},
	online(ids) { online = new Set(ids); showSide(); },
	lost(is) { $("lost").hidden = !is; },
});
reopenForm((r) => apply(r.news));
