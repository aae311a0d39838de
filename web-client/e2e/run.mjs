// Runs one scenario against a running server: npm run e2e -- [approve|read-only|offline|two-answers] URL#key=KEY
// A demo must be running there (`baton demo`), so that something comes to be approved.
import { approve } from "./approve.mjs";
import { offline } from "./offline.mjs";
import { readOnly } from "./read-only.mjs";
import { twoAnswers } from "./two-answers.mjs";

const SCENARIOS = { approve, offline, "read-only": readOnly, "two-answers": twoAnswers };

const [first, second] = process.argv.slice(2);
const [name, link] = second === undefined ? ["approve", first] : [first, second];
const scenario = SCENARIOS[name];
if (!scenario || !link?.includes("#key=")) {
  console.error("usage: npm run e2e -- [approve|read-only|offline|two-answers] URL#key=KEY");
  process.exit(2);
}
try {
  await scenario(link);
  console.log(`${name}: passed`);
} catch (error) {
  console.error(`${name}: failed: ${error instanceof Error ? error.message : error}`);
  process.exit(1);
}
