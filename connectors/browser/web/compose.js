// The box that a message is written in: completion of commands and names, files, a draft that
// survives reloading.

import { h, icon, session, size, toast } from "./dom.js";
import { boot, get, send, upload, Refusal } from "./live.js";

let commands = null;
async function allCommands() {
	if (!commands?.length) {
		try { commands = await get("commands"); } catch { commands = []; }
	}
	return commands;
}

let serial = 0;

/**
 * A composer. where() tells {room, root, title, draft}; done(reply, kind) gets what the server
 * answered; arrowUp() is called by ArrowUp in an empty box.
 */
export function composer(id, { where, done, arrowUp, members }) {
	const n = ++serial;
	const box = h("textarea", { id, rows: "1", autocomplete: "off", spellcheck: "true", enterkeyhint: "send", role: "combobox",
		"aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": "offers" + n, "aria-describedby": "fault" + n, maxlength: boot.maxSaid });
	const offers = h("ul", { class: "offers", id: "offers" + n, role: "listbox", "aria-label": "Completions", hidden: true });
	const chips = h("ul", { class: "chips", "aria-label": "Files to be sent", hidden: true });
	const fault = h("p", { class: "fault", id: "fault" + n, role: "alert", hidden: true });
	const pick = h("input", { type: "file", multiple: true, class: "sr", tabindex: "-1", "aria-hidden": "true" });
	const clip = h("button", { type: "button", class: "icon", title: "Attach files", "aria-label": "Attach files", onclick: () => pick.click() }, icon("clip"));
	const go = h("button", { type: "submit", class: "icon go", title: "Send", "aria-label": "Send", disabled: true }, icon("send"));
	const form = h("form", { class: "composer" }, offers, chips, h("div", { class: "row" }, clip, pick, box, go), fault);

	let files = []; // {name, size, id, progress, stop, element}
	let sending = Promise.resolve(); // one after the other, in the order in which they were written
	const underway = []; // {draft, text, files} that the server has not answered yet

	// ---- the draft

	/** Keeps some of what is written, or nothing. */
	const store = (key, ...all) => {
		const d = { text: all.map((u) => u?.text).filter(Boolean).join("\n"), files: all.flatMap((u) => u?.files ?? []).filter((f) => f.id).map(({ name, size: s, id: i }) => ({ name, size: s, id: i })) };
		session.set(key, d.text || d.files.length ? d : null);
	};
	const keep = () => store(where().draft, { text: box.value, files });
	/** Keeps what is on its way until the server has it: the page may be reloaded before. */
	const keepUnderway = (draft) => store(draft + ".underway", ...underway.filter((u) => u.draft === draft));
	function load() {
		const { draft } = where();
		if (!underway.some((u) => u.draft === draft)) {
			store(draft, session.get(draft + ".underway"), session.get(draft));
			session.set(draft + ".underway", null);
		}
		const d = session.get(draft);
		box.value = d?.text ?? "";
		files = [];
		chips.replaceChildren();
		for (const f of d?.files ?? []) chip({ ...f });
		box.placeholder = "Write to " + where().title;
		box.setAttribute("aria-label", "Message to " + where().title);
		say("");
		close();
		fit();
	}
	function fit() {
		box.style.height = "auto";
		box.style.height = Math.min(box.scrollHeight, Math.max(120, innerHeight * 0.4)) + "px";
		box.style.overflowY = box.scrollHeight > box.clientHeight + 2 ? "auto" : "hidden";
		go.disabled = !box.value.trim() && !files.length;
		chips.hidden = !files.length;
	}
	const say = (text) => { fault.textContent = text; fault.hidden = !text; };

	// ---- files

	function chip(f) {
		const bar = h("progress", { max: "1", value: f.id ? "1" : "0", "aria-label": "Uploading " + f.name });
		bar.hidden = Boolean(f.id);
		f.element = h("li", null, icon("file"), h("bdi", { class: "fname" }, f.name), h("span", { class: "faint" }, size(f.size)), bar,
			h("button", { type: "button", class: "icon", "aria-label": "Remove " + f.name, onclick: () => { f.stop?.(); drop(f); box.focus(); } }, icon("close")));
		f.bar = bar;
		files.push(f);
		chips.append(f.element);
		fit();
		return f;
	}
	function drop(f) {
		files = files.filter((x) => x !== f);
		f.element.remove();
		keep();
		fit();
	}
	function attach(list) {
		if (where().room.startsWith("@")) return;
		for (const file of list) {
			if (files.length >= boot.maxFiles) { say("A message takes at most " + boot.maxFiles + " files."); break; }
			if (file.size > boot.maxFile) { say("“" + file.name + "” is larger than " + size(boot.maxFile) + "."); continue; }
			const f = chip({ name: file.name, size: file.size });
			const u = upload(file, (p) => { f.bar.value = p; });
			f.stop = u.stop;
			f.done = u.done.then((r) => { f.id = r.id; f.bar.hidden = true; keep(); }, (e) => { drop(f); f.failed = e.message; if (e.message !== "Stopped.") say(file.name + ": " + e.message); });
		}
		box.focus();
	}
	pick.addEventListener("change", () => { attach(pick.files); pick.value = ""; });
	box.addEventListener("paste", (e) => { if (e.clipboardData?.files.length) { e.preventDefault(); attach(e.clipboardData.files); } });

	// ---- completion

	let shown = [], chosen = -1, asked = 0, stop = null, soon = 0;

	function close() {
		clearTimeout(soon);
		stop?.abort();
		asked++;
		shown = [];
		chosen = -1;
		offers.hidden = true;
		offers.replaceChildren();
		box.setAttribute("aria-expanded", "false");
		box.removeAttribute("aria-activedescendant");
	}
	function offer(list, first) {
		if (!list.length) { close(); return; }
		shown = list.slice(0, 30);
		chosen = first;
		offers.replaceChildren(...shown.map((o, i) => h("li", { role: "option", id: "offer" + n + "-" + i, "aria-selected": "false",
			onpointerdown: (e) => { e.preventDefault(); accept(i); } },
			h("span", { class: "what", dir: "auto" }, o.label), h("span", { class: "hint", dir: "auto" }, o.hint ?? ""))));
		offers.hidden = false;
		box.setAttribute("aria-expanded", "true");
		mark();
	}
	function mark() {
		[...offers.children].forEach((e, i) => e.setAttribute("aria-selected", String(i === chosen)));
		if (chosen < 0) { box.removeAttribute("aria-activedescendant"); return; }
		box.setAttribute("aria-activedescendant", "offer" + n + "-" + chosen);
		offers.children[chosen]?.scrollIntoView({ block: "nearest" });
	}
	function accept(i) {
		const o = shown[i];
		close();
		box.setRangeText(o.text, o.from, o.to, "end");
		box.focus();
		changed();
	}
	/** The word with an @ that the cursor stands in. */
	function atWord() {
		const before = box.value.slice(0, box.selectionStart);
		const m = /(?:^|[\s(])@([\p{L}\p{N}._-]*)$/u.exec(before);
		return m && { from: before.length - m[1].length - 1, to: box.selectionStart, word: m[1].toLowerCase() };
	}
	async function complete() {
		const mine = ++asked, text = box.value, at = box.selectionStart;
		stop?.abort();
		if (/^\/[^\s]*$/.test(text)) {
			const word = text.slice(1).toLowerCase();
			const list = (await allCommands()).filter((c) => c.name.startsWith(word));
			if (mine === asked) offer(list.map((c) => ({ label: "/" + c.name + (c.hint ? " " + c.hint : ""), hint: c.description, text: "/" + c.name + " ", from: 0, to: box.value.length, whole: c.name === word })), list.some((c) => c.name === word) ? -1 : 0);
			return;
		}
		const cmd = /^\/(\S+)\s([^]*)$/.exec(text);
		if (cmd) {
			if (at !== text.length) { close(); return; }
			await new Promise((r) => { clearTimeout(soon); soon = setTimeout(r, 60); });
			if (mine !== asked) return;
			stop = new AbortController();
			let list = [];
			try {
				list = await get("complete", { room: where().room, root: where().root ?? "", name: cmd[1], text: cmd[2] }, stop.signal);
			} catch { return; }
			if (mine !== asked) return;
			const typed = cmd[2].trim();
			offer(list.filter((c) => c.text.trim() !== typed || c.text.length > cmd[2].length).map((c) => ({ label: c.text, hint: c.hint, text: "/" + cmd[1] + " " + c.text, from: 0, to: box.value.length })), -1);
			return;
		}
		const w = atWord();
		if (w) {
			const bot = { handle: boot.bot.handle, name: boot.bot.name, hint: where().root ? "at the beginning: answers the sender" : "the bot" };
			const list = [bot, ...members().filter((p) => p.id !== boot.me)].filter((p) => p.handle.toLowerCase().startsWith(w.word) || p.name.toLowerCase().split(/\s+/).some((x) => x.startsWith(w.word)));
			offer(list.map((p) => ({ label: "@" + p.handle, hint: p.hint ?? p.name, text: "@" + p.handle + " ", from: w.from, to: w.to })), 0);
			return;
		}
		close();
	}
	const changed = () => { say(""); keep(); fit(); complete(); };
	box.addEventListener("input", changed);
	box.addEventListener("blur", () => setTimeout(() => { if (document.activeElement !== box) close(); }, 100));

	box.addEventListener("keydown", (e) => {
		if (e.isComposing) return;
		if (!offers.hidden) {
			switch (e.key) {
			case "ArrowDown": chosen = (chosen + 1) % shown.length; mark(); e.preventDefault(); return;
			case "ArrowUp": chosen = (chosen <= 0 ? shown.length : chosen) - 1; mark(); e.preventDefault(); return;
			case "Tab": if (!e.shiftKey) { accept(Math.max(chosen, 0)); e.preventDefault(); return; } break;
			case "Escape": close(); e.preventDefault(); e.stopPropagation(); return;
			case "Enter": if (chosen >= 0 && !e.shiftKey) { accept(chosen); e.preventDefault(); return; } break;
			}
		}
		if (e.key === "Enter" && !e.shiftKey && !e.altKey) { e.preventDefault(); submit(); }
		if (e.key === "ArrowUp" && !box.value && !files.length && arrowUp?.()) e.preventDefault();
	});

	// What keydown has dealt with must not become a line break after all.
	box.addEventListener("keypress", (e) => { if (e.key === "Enter" && !e.shiftKey && !e.altKey) e.preventDefault(); });

	// ---- sending

	function submit() {
		const text = box.value.trim();
		if (!text && !files.length) return;
		const u = { ...where(), text, files };
		close();
		say("");
		underway.push(u);
		box.value = "";
		files = [];
		chips.replaceChildren();
		keep();
		keepUnderway(u.draft);
		fit();
		form.setAttribute("aria-busy", "true");
		sending = sending.then(() => deliver(u));
	}
	async function deliver(u) {
		const gone = () => {
			underway.splice(underway.indexOf(u), 1);
			keepUnderway(u.draft);
			if (!underway.length) form.removeAttribute("aria-busy");
		};
		try {
			await Promise.all(u.files.map((f) => f.done));
			const failed = u.files.find((f) => f.failed && f.failed !== "Stopped."); // nothing goes without what belongs to it
			if (failed) throw new Refusal(failed.name + ": " + failed.failed);
			const cmd = /^\/([\p{L}\p{N}_-]+)(?:\s([^]*))?$/u.exec(u.text);
			let reply, kind = "said";
			if (cmd && !u.files.length) {
				kind = "command";
				reply = await send("command", { room: u.room, root: u.root ?? "", name: cmd[1], text: cmd[2] ?? "" });
			} else {
				const ids = u.files.map((f) => f.id).filter(Boolean);
				if (!u.text && !ids.length) { gone(); return; }
				reply = await send("say", { room: u.room, root: u.root ?? "", text: u.text, files: ids });
			}
			gone();
			done(reply, kind, u.text);
		} catch (e) {
			if (!(e instanceof Refusal)) console.error(e);
			gone();
			giveBack(u);
			say(e instanceof Refusal ? e.message : "That could not be sent. Please try again.");
		}
	}
	/** Puts back what was not taken, before what was written since. */
	function giveBack(u) {
		if (where().draft === u.draft) keep();
		store(u.draft, u, session.get(u.draft));
		if (where().draft === u.draft) load();
	}
	form.addEventListener("submit", (e) => { e.preventDefault(); submit(); });

	return { form, box, load, attach };
}

/** Lets files be dropped anywhere on a pane. */
export function droppable(pane, attach) {
	let depth = 0;
	const files = (e) => e.dataTransfer?.types.includes("Files");
	const over = (on) => pane.classList.toggle("dropping", on);
	pane.addEventListener("dragenter", (e) => { if (files(e)) { e.preventDefault(); depth++; over(true); } });
	pane.addEventListener("dragover", (e) => { if (files(e)) { e.preventDefault(); e.dataTransfer.dropEffect = "copy"; } });
	pane.addEventListener("dragleave", (e) => { if (files(e) && --depth <= 0) { depth = 0; over(false); } });
	pane.addEventListener("drop", (e) => {
		if (!files(e)) return;
		e.preventDefault();
		depth = 0;
		over(false);
		if (![...e.dataTransfer.items].every((i) => i.kind !== "file" || i.webkitGetAsEntry?.()?.isFile !== false)) toast("Folders cannot be attached.");
		attach([...e.dataTransfer.files]);
	});
}
