import { type OutputUnit, type Schema, Validator } from "@cfworker/json-schema";
import { createErrorHandler, type ErrorSchema, type RJSFSchema, type RJSFValidationError, toErrorList, unwrapErrorHandler, validationDataMerge, type ValidatorType } from "@rjsf/utils";
import type { FieldProblem } from "./schema-form";

/** Keywords that only say that something within them is wrong: what is wrong is said on its own. */
const ENCLOSING = new Set(["properties", "items", "prefixItems", "additionalProperties", "patternProperties", "allOf", "$ref", "$defs", "definitions", "if", "then", "else", "contains", "dependentSchemas", "dependencies"]);

/**
 * JSON Schema for the forms, interpreted: the validator that they usually come with compiles schemas to code, which the
 * page's content policy forbids, and should, for schemas come from agents.
 */
export const schemaValidator: ValidatorType = {
  validateFormData(formData, schema, customValidate, transformErrors, uiSchema) {
    let errors = problemsIn(schema, formData).map(toError);
    if (transformErrors) errors = transformErrors(errors, uiSchema);
    const data = { errors, errorSchema: errorSchemaOf(errors.map(({ property = "", message = "" }) => ({ path: property.replace(/^\./, ""), message }))) };
    if (!customValidate) return data;
    const handled = customValidate(formData, createErrorHandler(formData), uiSchema, data.errorSchema);
    const own = unwrapErrorHandler(handled);
    return validationDataMerge({ ...data, errors: [...data.errors, ...toErrorList(own)] }, own);
  },
  isValid(schema, formData, rootSchema) {
    try {
      const { definitions, $defs } = rootSchema as Schema;
      return new Validator({ ...(definitions ? { definitions } : {}), ...($defs ? { $defs } : {}), ...(schema as Schema) }, "2020-12").validate(formData).valid;
    } catch {
      return false;
    }
  },
  rawValidation(schema, formData) {
    return { errors: problemsIn(schema, formData) as never[] };
  },
};

/** What a value lacks to be what the schema describes; nothing where it is. */
export function problemsIn(schema: RJSFSchema, value: unknown): FieldProblem[] {
  let units: OutputUnit[];
  try {
    // What was never filled in is absent, not undefined.
    units = new Validator(schema as Schema, "2020-12", false).validate(value === undefined ? null : JSON.parse(JSON.stringify(value))).errors;
  } catch (error) {
    return [{ path: "", message: `the schema cannot be used: ${error instanceof Error ? error.message : String(error)}` }];
  }
  const problems: FieldProblem[] = [];
  for (const { keyword, instanceLocation, error } of units) {
    if (ENCLOSING.has(keyword)) continue;
    const at = pathOf(instanceLocation);
    const missing = keyword === "required" ? /required property "(.+)"/.exec(error)?.[1] : undefined;
    if (missing !== undefined) problems.push({ path: at === "" ? missing : `${at}.${missing}`, message: "is required" });
    else problems.push({ path: at, message: error.replace(/^Instance (?:does not |is )?/, (start) => (start.includes("not") ? "must " : "is ")) });
  }
  return problems.filter((each, index) => problems.findIndex((other) => other.path === each.path && other.message === each.message) === index);
}

/** `#/items/0/name` as `items[0].name`. */
function pathOf(pointer: string): string {
  return pointer
    .replace(/^#\/?/, "")
    .split("/")
    .filter((part) => part !== "")
    .map((part) => decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce((path, part) => (/^\d+$/.test(part) ? `${path}[${part}]` : path === "" ? part : `${path}.${part}`), "");
}

function toError({ path, message }: FieldProblem): RJSFValidationError {
  return { property: `.${path}`, message, stack: `${path} ${message}`.trim() };
}

/** Field problems as the tree that the form hangs them on. */
export function errorSchemaOf(problems: readonly FieldProblem[]): ErrorSchema {
  const root: Record<string, unknown> = {};
  for (const { path, message } of problems) {
    let node = root;
    for (const part of path.replaceAll(/\[(\d+)\]/g, ".$1").split(".")) {
      if (part === "") continue;
      node[part] ??= {};
      node = node[part] as Record<string, unknown>;
    }
    node.__errors = [...((node.__errors as string[] | undefined) ?? []), message];
  }
  return root as ErrorSchema;
}
