// Runs one scenario against a running server: npm run e2e -- SCENARIO URL#key=KEY
// What each needs there: the first four a demo (`baton demo`), so that something comes to be approved; the designer's a team
// “Test team” with an agent `worker` at work (see tests/tests/designer.rs); `keys` an admin's key.
import { approve } from "./approve.mjs";
import { designer, designerErrors } from "./designer.mjs";
import { keys } from "./keys.mjs";
import { offline } from "./offline.mjs";
import { readOnly } from "./read-only.mjs";
import { twoAnswers } from "./two-answers.mjs";

const SCENARIOS = {
  approve,
  offline,
  "read-only": readOnly,
  "two-answers": twoAnswers,
  designer,
  "designer-errors": designerErrors,
  keys,
};

const [first, second] = process.argv.slice(2);
const [name, link] = second === undefined ? ["approve", first] : [first, second];
const scenario = SCENARIOS[name];
if (!scenario || !link?.includes("#key=")) {
  console.error(`usage: npm run e2e -- [${Object.keys(SCENARIOS).join("|")}] URL#key=KEY`);
  process.exit(2);
}
try {
  await scenario(link);
  console.log(`${name}: passed`);
} catch (error) {
  console.error(`${name}: failed: ${error instanceof Error ? error.message : error}`);
  process.exit(1);
}
