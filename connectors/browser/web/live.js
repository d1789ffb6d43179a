// The server and the stream of changes. A browser opens only six connections to a server, so the
// windows of one person share one stream: the window that holds a lock listens and passes on.

const boot = JSON.parse(document.getElementById("boot").textContent);
export { boot };

export const base = boot.root + "/api/" + encodeURIComponent(boot.me) + "/";

/** What the server said no to; its message is for the person. */
export class Refusal extends Error {}

export const newEvent = () => (crypto.randomUUID ? crypto.randomUUID() : "e" + Date.now().toString(36) + "-" + Math.random().toString(36).slice(2, 14));

const wait = (ms) => new Promise((r) => setTimeout(r, ms));

async function read(r) {
	let body = null;
	try { body = await r.json(); } catch { /* not JSON */ }
	if (r.ok && body !== null) return body;
	throw Object.assign(new Refusal(body?.error ?? "The server does not answer as it should. Please try again."), { status: r.status });
}

export async function get(path, query, signal) {
	return read(await fetch(base + path + "?" + new URLSearchParams(query ?? {}), { signal }));
}

/** Sends something that happens once: it is tried again under the same event id. */
export async function send(path, body) {
	const text = JSON.stringify({ event: newEvent(), ...body });
	for (const pause of [300, 1200, 3000, 0]) {
		let failure;
		try {
			return await read(await fetch(base + path, { method: "POST", headers: { "Content-Type": "application/json" }, body: text }));
		} catch (e) {
			if (e instanceof Refusal && e.status !== 503) throw e;
			failure = e instanceof Refusal ? e : new Refusal("The server cannot be reached. Nothing is lost; please try again.");
		}
		if (!pause) throw failure;
		await wait(pause);
	}
}

/** Uploads one file; progress gets 0…1. */
export function upload(file, progress) {
	const x = new XMLHttpRequest();
	const done = new Promise((resolve, reject) => {
		x.open("POST", base + "upload?" + new URLSearchParams({ name: file.name }));
		x.setRequestHeader("Content-Type", file.type || "application/octet-stream");
		x.responseType = "json";
		x.upload.onprogress = (e) => e.lengthComputable && progress(e.loaded / e.total);
		x.onload = () => x.status === 200 && x.response ? resolve(x.response) : reject(new Refusal(x.response?.error ?? "The file was not taken."));
		x.onerror = () => reject(new Refusal("The upload broke off."));
		x.onabort = () => reject(new Refusal("Stopped."));
		x.send(file);
	});
	return { done, stop: () => x.abort() };
}

/** Listens for changes until the page is gone. Handlers: news(changes), reset(), online(ids), lost(bool). */
export function live(handlers) {
	let mark = boot.mark, heard = Date.now(), source = null;
	const share = "locks" in navigator && "BroadcastChannel" in window;
	const others = share ? new BroadcastChannel("groupmail " + boot.root + " " + boot.me) : null;

	const after = (a, b) => a.split("-")[0] !== b.split("-")[0] || Number(a.split("-")[1]) > Number(b.split("-")[1]);

	function take(kind, id, data) {
		heard = Date.now();
		if (kind !== "lost") handlers.lost(false);
		switch (kind) {
		case "news":
			if (id.split("-")[0] !== mark.split("-")[0]) { catchUp(); return; }
			handlers.news(data);
			if (after(id, mark)) mark = id;
			break;
		case "reset": mark = id; handlers.reset(); break;
		case "online": handlers.online(data); break;
		case "lost": handlers.lost(true); break;
		}
	}

	function listen(pass) {
		source?.close();
		const s = source = new EventSource(base + "events?" + new URLSearchParams({ after: mark }));
		for (const kind of ["news", "reset", "online", "beat"]) {
			s.addEventListener(kind, (e) => {
				const data = JSON.parse(e.data);
				take(kind, e.lastEventId, data);
				if (pass) others?.postMessage({ kind, id: e.lastEventId, data });
			});
		}
		let lost = 0;
		s.onopen = () => { clearTimeout(lost); lost = 0; };
		s.onerror = () => {
			lost ||= setTimeout(() => {
				if (s.readyState === EventSource.OPEN) return;
				take("lost");
				if (pass) others?.postMessage({ kind: "lost" });
			}, 1500);
			if (s.readyState === EventSource.CLOSED && s === source) setTimeout(() => s === source && listen(pass), 1500);
		};
	}

	// What this window may have missed while another listened, or while it slept.
	let busy = false;
	async function catchUp() {
		if (busy) return;
		busy = true;
		try {
			const r = await get("changes", { after: mark });
			if (r.reset) take("reset", r.mark);
			else take("news", r.mark, r.news);
			take("online", "", r.online);
		} catch { /* the stream will tell */ } finally { busy = false; }
	}

	if (share) {
		others.onmessage = (e) => { if (!source) take(e.data.kind, e.data.id, e.data.data); };
		navigator.locks.request("groupmail stream " + boot.root + " " + boot.me, () => {
			listen(true);
			return new Promise(() => { /* held until the page is gone */ });
		});
		catchUp();
		setInterval(() => { if (!source && Date.now() - heard > 40_000) listen(false); }, 5_000);
	} else {
		listen(false);
	}
	// A listener whose line went dead without a word.
	setInterval(() => { if (source && Date.now() - heard > 40_000) { heard = Date.now(); listen(share); } }, 5_000);
	document.addEventListener("visibilitychange", () => { if (!document.hidden) catchUp(); });
	addEventListener("online", catchUp);
	addEventListener("pageshow", (e) => { if (e.persisted) catchUp(); });
}
