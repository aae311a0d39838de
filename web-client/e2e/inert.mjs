import { check, live, withPage } from "./browser.mjs";
import { seed } from "./seed.mjs";
import { api } from "./server.mjs";

const HOSTILE = [
  "<script>window.hurt = 1</script>",
  '<img src=x onerror="window.hurt = 1">',
  '<svg onload="window.hurt = 1"></svg><iframe srcdoc="<script>parent.hurt = 1</script>"></iframe>',
  "[press me](javascript:window.hurt=1) and [me](data:text/html,<script>window.hurt=1</script>) and <a href='javascript:window.hurt=1'>me</a>",
  "![picture](https://elsewhere.example/pixel.png)",
  '<form action="https://elsewhere.example/"><input name=key><button>Sign in again</button></form><style>body { display: none }</style>',
  "`<script>window.hurt = 1</script>`\n\n```html\n<script>window.hurt = 1</script>\n```",
];

/** What strangers write stays text: in messages, in what is asked, in subjects, options and names. */
export async function inert(link) {
  const call = api(link);
  const made = await seed(link);
  try {
    const { roomId, id: processId } = made.article;
    for (const body of HOSTILE) await call("POST", `/collaboration/rooms/${roomId}/messages`, { body });
    const asked = await call("POST", `/processes/${made.long.id}/interventions`, {
      stepId: "forever",
      type: "decision",
      description: HOSTILE.join("\n"),
      subject: { html: HOSTILE, [HOSTILE[1]]: HOSTILE.join("\n\n") },
      options: [{ id: "a", label: HOSTILE[1] }],
    });
    await call("POST", `/interventions/${asked.id}/comments`, { text: HOSTILE.join("\n\n") });
    const named = await call("POST", "/processes", { name: HOSTILE[0], description: HOSTILE[1], teamId: made.team.id, steps: [{ key: "x", name: HOSTILE[2], description: HOSTILE[3], assignedAgentId: "planner" }] });
    await withPage(link, async (page, { origin }) => {
      const paths = [`/processes/${processId}`, `/inbox/${asked.id}`, "/inbox", "/processes", "/rooms", `/processes/${named.id}`];
      for (const path of paths) {
        await page.goto(origin + path);
      await live(page);
        await page.waitForSelector("main h1");
        await page.getByText("window.hurt").first().waitFor().catch(() => check(path.startsWith("/rooms") || path === "/inbox", `${path} does not show what was written`));
        const found = await page.evaluate(() => ({
          hurt: globalThis.hurt,
          active: [...document.querySelectorAll("main :is(script, iframe, object, embed, form[action], style, img)")].map((each) => each.outerHTML.slice(0, 80)),
          links: [...document.querySelectorAll("main a[href]")].map((each) => each.protocol).filter((protocol) => !/^(https?|mailto):$/.test(protocol)),
          handlers: [...document.querySelectorAll("main *")].flatMap((each) => [...each.attributes].filter(({ name }) => name.startsWith("on")).map(({ name }) => name)),
        }));
        check(found.hurt === undefined, `something ran on ${path}`);
        check(found.active.length + found.links.length + found.handlers.length === 0, `${path} has ${JSON.stringify(found)}`);
      }
    });
  } finally {
    made.close();
  }
}
