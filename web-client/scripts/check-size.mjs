// The first load, compressed, stays within its bound: a dashboard on a phone's network has to open.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const BOUND_KIB = 250;
const dist = new URL("../dist/", import.meta.url).pathname;

const page = readFileSync(join(dist, "index.html"), "utf8");
const first = [...page.matchAll(/(?:src|href)="\/(assets\/[^"]+)"/g)].map((match) => match[1]);
// The page's own typeface is fetched with it; it is compressed as it is.
const style = first.filter((file) => file.endsWith(".css")).map((file) => readFileSync(join(dist, file), "utf8")).join("");
const fonts = [...style.matchAll(/url\(\/?(?:assets\/)?([^)]+\.woff2)\)/g)].map((match) => readFileSync(join(dist, "assets", match[1].split("/").at(-1))).length);
const bytes = [gzipSync(page).length, ...first.map((file) => gzipSync(readFileSync(join(dist, file)), { level: 6 }).length), ...fonts];
const total = bytes.reduce((sum, each) => sum + each, 0) / 1024;
console.log(`first load: ${total.toFixed(1)} KiB compressed in ${bytes.length} files (bound ${BOUND_KIB}), ${readdirSync(join(dist, "assets")).length} assets`);
if (total > BOUND_KIB) process.exit(1);
