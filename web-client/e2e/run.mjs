// Runs one scenario against a running server: npm run e2e -- SCENARIO URL#key=KEY
// What each needs there: `approve`, `offline`, `read-only` and `two-answers` a demo (`baton demo`), so that something comes to be
// approved; the designer's a team “Test team” with an agent `worker` at work (see tests/tests/designer.rs); `alert-rules`, `keys`,
// `audit` and `webhooks` an admin's key; the others bring what they need.
import { audit, webhooks } from "./administration.mjs";
import { alertRules } from "./alert-rules.mjs";
import { approve } from "./approve.mjs";
import { designer, designerErrors } from "./designer.mjs";
import { escalated } from "./escalated.mjs";
import { firstLoad } from "./first-load.mjs";
import { forms } from "./forms.mjs";
import { hasty } from "./hasty.mjs";
import { inert } from "./inert.mjs";
import { keyboard } from "./keyboard.mjs";
import { keys } from "./keys.mjs";
import { load } from "./load.mjs";
import { offline } from "./offline.mjs";
import { order } from "./order.mjs";
import { overview } from "./overview.mjs";
import { together, votes } from "./people.mjs";
import { readOnly } from "./read-only.mjs";
import { replay } from "./replay.mjs";
import { restart } from "./restart.mjs";
import { screens, screensDark } from "./screens.mjs";
import { search } from "./search.mjs";
import { talk } from "./talk.mjs";
import { templates } from "./templates.mjs";
import { twoAnswers } from "./two-answers.mjs";

const SCENARIOS = {
  "alert-rules": alertRules,
  approve,
  audit,
  designer,
  "designer-errors": designerErrors,
  escalated,
  "first-load": firstLoad,
  forms,
  hasty,
  inert,
  keyboard,
  keys,
  load,
  offline,
  order,
  overview,
  "read-only": readOnly,
  replay,
  restart,
  screens,
  "screens-dark": screensDark,
  search,
  talk,
  templates,
  together,
  "two-answers": twoAnswers,
  votes,
  webhooks,
};

const [name, link] = process.argv.slice(2);
const scenario = SCENARIOS[name];
if (!scenario || !link?.includes("#key=")) {
  console.error(`usage: npm run e2e -- [${Object.keys(SCENARIOS).join("|")}] URL#key=KEY`);
  process.exit(2);
}
try {
  await scenario(link);
  console.log(`${name}: passed`);
  process.exit(0);
} catch (error) {
  console.error(`${name}: failed: ${error instanceof Error ? error.message : error}`);
  process.exit(1);
}
