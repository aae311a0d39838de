import { describe, expect, it } from "vitest";
import { addressOf, soughtIn } from "../src/room/sought";
import { pieces, queryOf, unmarked } from "../src/search/words";

describe("what is asked for while somebody types", () => {
  it("takes the last word for a beginning", () => {
    expect(queryOf("release no")).toBe("release no*");
    expect(queryOf("größe")).toBe("größe*");
  });
  it("is the word itself once a blank, a star or a quotation mark says so, or while it is too short", () => {
    expect(queryOf("release notes ")).toBe("release notes");
    expect(queryOf("rel*")).toBe("rel*");
    expect(queryOf('"release no')).toBe('"release no');
    expect(queryOf('"release notes" mar')).toBe('"release notes" mar*');
    expect(queryOf("a")).toBe("a");
    expect(queryOf("-4711")).toBe("-4711");
  });
});

describe("a line with what was found", () => {
  it("marks whole words only, as they stand there", () => {
    expect(pieces("No note says no.", ["no", "No"])).toEqual([
      { text: "No", found: true },
      { text: " note says ", found: false },
      { text: "no", found: true },
      { text: ".", found: false },
    ]);
  });
  it("reads as the message does", () => {
    expect(unmarked("## The **first** `sync`, *really*")).toBe("The first sync, really");
    expect(unmarked("- snake_case and a-b")).toBe("snake_case and a-b");
  });
  it("takes nothing in a word for a pattern", () => {
    expect(pieces("a.b (c) a+b", ["a+b", "(c)"])).toEqual([
      { text: "a.b ", found: false },
      { text: "(c)", found: true },
      { text: " ", found: false },
      { text: "a+b", found: true },
    ]);
  });
});

describe("the address of a message", () => {
  it("leads into its room, and back to its place there", () => {
    expect(addressOf({ room: { id: "r" }, seq: 7 })).toBe("/rooms/r?seq=7");
    expect(addressOf({ room: { id: "r" }, processId: "p", seq: 7 })).toBe("/processes/p?side=room&seq=7");
    expect(soughtIn(new URLSearchParams("seq=7"))).toBe(7);
    for (const wrong of ["", "seq=", "seq=0", "seq=-1", "seq=x", "seq=1.5"]) expect(soughtIn(new URLSearchParams(wrong))).toBeUndefined();
  });
});
