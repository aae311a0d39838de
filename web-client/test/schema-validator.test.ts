import { describe, expect, it } from "vitest";
import { errorSchemaOf, problemsIn, schemaValidator } from "../src/ui/schema-validator";

const schema = {
  type: "object",
  required: ["amount"],
  properties: {
    amount: { type: "number", minimum: 1 },
    lines: { type: "array", items: { $ref: "#/$defs/line" } },
  },
  $defs: { line: { type: "object", required: ["name"], properties: { name: { type: "string", maxLength: 3 } } } },
} as const;

describe("an answer's schema", () => {
  it("says of each field what is wrong with it, and of the whole nothing twice", () => {
    expect(problemsIn(schema as never, {})).toEqual([{ path: "amount", message: "is required" }]);
    const problems = problemsIn(schema as never, { amount: 0, lines: [{ name: "abc" }, { name: "abcd" }, {}] });
    expect(problems.map(({ path }) => path).sort()).toEqual(["amount", "lines[1].name", "lines[2].name"]);
  });

  it("finds nothing wrong with what it allows", () => {
    expect(problemsIn(schema as never, { amount: 1, lines: [{ name: "abc" }] })).toEqual([]);
    expect(schemaValidator.isValid(schema.properties.lines as never, [{ name: "a" }], schema as never)).toBe(true);
    expect(schemaValidator.isValid(schema.properties.lines as never, [{}], schema as never)).toBe(false);
  });

  it("hangs what the server says on the fields that it names", () => {
    expect(errorSchemaOf([{ path: "lines[1].name", message: "is too long" }, { path: "", message: "no" }])).toEqual({ __errors: ["no"], lines: { 1: { name: { __errors: ["is too long"] } } } });
  });
});
