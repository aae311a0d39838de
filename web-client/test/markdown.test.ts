// @vitest-environment jsdom
import { describe, expect, it } from "vitest";
import { renderMarkdown } from "../src/ui/markdown";

describe("markdown from anybody", () => {
  it.each([
    ["a script", "<script>alert(1)</script>"],
    ["an image that fails", "<img src=x onerror=alert(1)>"],
    ["an image in Markdown", "![x](https://example.org/pixel.png)"],
    ["a javascript: link", "[x](javascript:alert(1))"],
    ["a javascript: link in disguise", "[x](java\tscript:alert(1)) <a href='&#106;avascript:alert(1)'>y</a>"],
    ["a data: link", "[x](data:text/html,<script>alert(1)</script>)"],
    ["a frame", "<iframe src='https://example.org'></iframe>"],
    ["a form", "<form action='https://example.org'><input name=key></form>"],
    ["styles", "<style>body{display:none}</style><p style='position:fixed'>x</p>"],
    ["an svg", "<svg onload=alert(1)><a xlink:href='javascript:alert(1)'>x</a></svg>"],
  ])("stays inert: %s", (_what, text) => {
    const page = document.createElement("div");
    page.innerHTML = renderMarkdown(text);
    expect(page.querySelector("script, img, iframe, form, input, style, svg")).toBeNull();
    for (const element of page.querySelectorAll("*")) {
      for (const { name, value } of element.attributes) {
        expect(name).not.toMatch(/^on|style/);
        if (name === "href") expect(value).toMatch(/^(https?:|mailto:)/);
      }
    }
  });

  it("shows HTML as it was written", () => {
    const page = document.createElement("div");
    page.innerHTML = renderMarkdown("a <b>tag</b> and <img src=x onerror=alert(1)>");
    expect(page.textContent?.trim()).toBe("a <b>tag</b> and <img src=x onerror=alert(1)>");
  });

  it("keeps what is for reading", () => {
    const page = document.createElement("div");
    page.innerHTML = renderMarkdown("# Title\n\n- **bold** and [link](https://example.org)\n\n`code`");
    expect(page.querySelector("h1")?.textContent).toBe("Title");
    expect(page.querySelector("li strong")?.textContent).toBe("bold");
    expect(page.querySelector("code")?.textContent).toBe("code");
    expect(page.querySelector("a")?.outerHTML).toContain('rel="noopener noreferrer"');
  });
});
