import DOMPurify, { type Config } from "dompurify";
import { Marked } from "marked";

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

/**
 * HTML in the text is shown as it was written, and an image as a link to it: neither is ever parsed as markup, which even
 * in a document apart has the browser report each inline handler as a breach of the content policy.
 */
const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    html: ({ text }) => escaped(text),
    image: ({ href, text }) => `<a href="${escaped(href)}">${escaped(text || href)}</a>`,
  },
});

/** Text, lists, tables and links: nothing that loads, runs, is styled or can be submitted. One object: another is read anew for each text. */
const ALLOWED = {
  ALLOWED_TAGS: [
    "a", "b", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "li", "ol", "p", "pre",
    "s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
  ],
  ALLOWED_ATTR: ["href", "title", "start", "align"],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
  RETURN_TRUSTED_TYPE: false,
  RETURN_DOM_FRAGMENT: true,
} satisfies Config;

/** Markdown from anybody, an agent or a stranger's ticket, as HTML that stays inert. */
export function renderMarkdown(text: string): string {
  const clean = DOMPurify.sanitize(marked.parse(text, { async: false }), ALLOWED);
  for (const link of clean.querySelectorAll("a[href]")) {
    link.setAttribute("target", "_blank");
    link.setAttribute("rel", "noopener noreferrer");
  }
  const holder = document.createElement("div");
  holder.append(clean);
  return holder.innerHTML;
}

/** Text in which nothing can mean anything to Markdown: letters, digits, spaces and the commonest punctuation, on one line. */
const PLAIN = /^[\p{L}][\p{L}\p{N} ,;!?'"()…€%/-]*(?:[.:](?=\s|$|\d)[\p{L}\p{N} ,;!?'"()…€%/-]*)*$/u;

/** What was drawn lately: a timeline draws its rows again and again as they come into view. */
const drawn = new Map<string, string>();
const MOST_DRAWN = 500;

function drawnMarkdown(text: string): string {
  const known = drawn.get(text);
  if (known !== undefined) return known;
  const html = renderMarkdown(text);
  const oldest = drawn.keys().next().value;
  if (drawn.size >= MOST_DRAWN && oldest !== undefined) drawn.delete(oldest);
  drawn.set(text, html);
  return html;
}

export function Markdown({ text, className = "" }: { text: string; className?: string }) {
  if (PLAIN.test(text) && !text.includes("www")) {
    return <p className={`prose ${className}`}>{text}</p>;
  }
  return <div className={`prose ${className}`} dangerouslySetInnerHTML={{ __html: drawnMarkdown(text) }} />;
}
