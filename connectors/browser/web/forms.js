// Forms, as dialogs. What was typed is never lost: not by a refusal, not by closing, not by
// reloading the page.

import { h, icon, line, session, toast, typedAhead, type, closed } from "./dom.js";
import { send, Refusal } from "./live.js";
import { quote } from "./render.js";

const openKey = "form.open";
let current = null;
let kept = null; // the toast that offers the last draft
let serial = 0;
const read = (e) => (e.type === "checkbox" ? (e.checked ? "true" : "") : e.value);

/** Whether a select says what happens if nobody touches it. */
const chosen = (f) => f.kind === "select" && (f.options ?? []).some((o) => o.value === (f.value ?? ""));

/** Opens a form. origin names what opened it, so that its draft is found again. */
export function openForm(form, origin, apply, restore) {
	const n = ++serial;
	const inputs = new Map(), faults = new Map();
	const draftKey = "draft.form." + origin + "." + form.title;
	const draft = restore ?? session.get(draftKey) ?? {};
	let restored = false;

	const banner = h("p", { class: "fault banner", role: "alert", tabindex: "-1", hidden: true });
	const note = h("p", { class: "restored", hidden: true }, "What you had typed is here again. ",
		h("button", { type: "button", class: "quiet", onclick: () => startAfresh() }, "Start afresh"));
	const fields = form.fields.map((f, i) => field(f, `f${n}-${i}`));
	const submit = h("button", { type: "submit", class: "b primary", "data-submit": true }, form.submit);
	const body = h("form", { method: "dialog", novalidate: true },
		h("header", null, h("h2", { id: "form" + n, dir: "auto" }, form.title),
			h("button", { type: "button", class: "icon", "aria-label": "Close", onclick: () => d.close() }, icon("close"))),
		h("div", { class: "form-body" },
			(form.intro ?? []).map((l) => h("p", { class: "line" }, line(l))),
			form.quote ? quote(form.quote, false) : "",
			banner, note, fields),
		h("footer", null, h("span", { class: "faint" }, "Ctrl+Enter: " + form.submit), h("button", { type: "button", class: "b", "data-cancel": true, onclick: () => d.close() }, "Cancel"), submit));
	const d = h("dialog", { class: "form", "aria-labelledby": "form" + n, "data-form": true }, body);

	function field(f, id) {
		const value = draft[f.name] ?? f.value ?? "";
		let e;
		const attrs = { id, name: f.name, required: f.required, "aria-describedby": `${id}-help ${id}-fault` };
		switch (f.kind) {
		case "long": e = h("textarea", { ...attrs, rows: "7", dir: "auto" }); e.value = value; break;
		case "select":
			e = h("select", attrs, chosen(f) ? "" : h("option", { value: "" }, f.required ? "Choose …" : "–"),
				(f.options ?? []).map((o) => h("option", { value: o.value }, o.label)));
			e.value = value;
			if (e.selectedIndex < 0) e.value = f.value ?? "";
			break;
		case "check": e = h("input", { ...attrs, type: "checkbox" }); e.checked = value === "true"; break;
		default: e = h("input", { ...attrs, type: "text", dir: "auto", autocomplete: "off" }); e.value = value;
		}
		if (f.name in draft && draft[f.name] !== (f.value ?? "")) restored = true;
		const left = h("span", { class: "left faint", "aria-live": "off" });
		const countLeft = () => {
			const over = [...read(e)].length - f.max;
			left.textContent = f.max && over > -f.max * 0.2 && f.kind !== "check" && f.kind !== "select" && over > -2000 ? String(-over) : "";
			left.classList.toggle("over", over > 0);
		};
		e.addEventListener("input", () => { wrong(f.name, ""); countLeft(); keep(); });
		const fault = h("p", { class: "fault", id: id + "-fault", hidden: true });
		inputs.set(f.name, { e, initial: f.value ?? "" });
		faults.set(f.name, fault);
		countLeft();
		const label = h("label", { for: id }, f.label, f.required || f.kind === "check" || chosen(f) ? "" : h("span", { class: "faint" }, " (optional)"));
		const help = h("p", { class: "help", id: id + "-help" }, f.help ?? "");
		help.hidden = !f.help;
		return f.kind === "check"
			? h("div", { class: "field check", "data-field": f.name }, e, h("div", null, label, help, fault))
			: h("div", { class: "field", "data-field": f.name }, h("div", { class: "label-row" }, label, left), e, help, fault);
	}

	const values = () => Object.fromEntries([...inputs].map(([name, { e }]) => [name, read(e)]));
	function keep() {
		const v = values();
		const dirty = [...inputs].some(([name, { initial }]) => v[name] !== initial);
		session.set(draftKey, dirty ? v : null);
		session.set(openKey, { form, origin, values: v });
	}
	function startAfresh() {
		for (const { e, initial } of inputs.values()) {
			if (e.type === "checkbox") e.checked = initial === "true"; else e.value = initial;
		}
		note.hidden = true;
		keep();
		[...inputs.values()][0]?.e.focus();
	}
	function wrong(name, text) {
		const p = faults.get(name), i = inputs.get(name);
		if (!p) return false;
		p.textContent = text;
		p.hidden = !text;
		if (text) i.e.setAttribute("aria-invalid", "true"); else i.e.removeAttribute("aria-invalid");
		return true;
	}
	function say(text) { banner.textContent = text; banner.hidden = !text; }

	let busy = false;
	async function go() {
		if (busy) return;
		busy = true;
		const ahead = typedAhead(d); // what is typed now is no part of what is sent
		submit.disabled = true;
		submit.setAttribute("aria-busy", "true");
		say("");
		for (const name of inputs.keys()) wrong(name, "");
		try {
			const r = await send("submit", { token: form.token, values: values() });
			const errors = Object.entries(r.errors ?? {});
			if (errors.length) {
				const rest = errors.filter(([name, text]) => !wrong(name, text)).map(([, text]) => text);
				if (rest.length) say(rest.join(" "));
				const first = [...inputs.values()].find(({ e }) => e.getAttribute("aria-invalid"));
				(first?.e ?? banner).focus();
				type(first?.e, ahead());
				apply(r);
				return;
			}
			finish(r, ahead());
		} catch (e) {
			if (!(e instanceof Refusal)) console.error(e);
			say(e instanceof Refusal ? e.message : "That could not be sent. Nothing is lost; please try again.");
			const was = document.activeElement;
			if (was?.matches("textarea,input")) type(was, ahead()); else banner.focus();
		} finally {
			ahead();
			busy = false;
			submit.disabled = false;
			submit.removeAttribute("aria-busy");
		}
	}
	let written = "";
	function finish(r, ahead) {
		if (r.form) { // it takes this one's place; the draft stays until the last of them is through
			apply(r);
			const next = "draft.form." + origin + "." + r.form.title, d = session.get(next);
			for (const f of r.form.fields) if (d && f.value) delete d[f.name]; // what it says was made of what was typed
			session.set(next, d);
			openForm(r.form, origin, apply);
			type(document.activeElement, ahead);
			return;
		}
		for (let i = 0; i < sessionStorage.length;) {
			const k = sessionStorage.key(i);
			if (k.startsWith("groupmail.draft.form." + origin + ".")) sessionStorage.removeItem(k); else i++;
		}
		d.dataset.sent = "true";
		written = ahead;
		d.close();
		apply(r);
	}

	body.addEventListener("submit", (e) => { e.preventDefault(); go(); });
	body.addEventListener("keydown", (e) => { if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) { e.preventDefault(); go(); } });
	d.addEventListener("close", () => {
		if (current === d) {
			current = null;
			session.set(openKey, null);
		}
		const typed = session.get(draftKey);
		d.remove();
		if (!d.dataset.replaced) closed(Boolean(d.dataset.sent), written);
		if (typed && !d.dataset.sent && !d.dataset.replaced) {
			kept = toast("What you typed in “" + form.title + "” is kept.", { label: "Open again", run: () => openForm(form, origin, apply) });
		}
	});

	kept?.remove();
	if (current) current.dataset.replaced = "true";
	document.body.append(d);
	note.hidden = !restored;
	const before = current;
	current = d;
	before?.close();
	d.showModal();
	keep();
	const all = [...inputs.values()].map(({ e }) => e);
	const first = all.find((e) => e.required && !read(e)) ?? all[0];
	(first ?? submit).focus();
	if (first?.setSelectionRange && first.type !== "checkbox") first.setSelectionRange(first.value.length, first.value.length);
	return d;
}

/** Opens again what was open when the page was reloaded. */
export function reopenForm(apply) {
	const o = session.get(openKey);
	if (o) openForm(o.form, o.origin, apply, o.values);
}
