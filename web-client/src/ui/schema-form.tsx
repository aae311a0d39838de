import "./schema-form.css";
import type { Json, JsonObject } from "@baton/client";
// The package's own entry takes in its test tools too, which need a validator that is not here.
import type { IChangeEvent } from "@rjsf/core";
import Form from "@rjsf/core/lib/components/Form.js";
import type { ErrorSchema, IconButtonProps, RJSFSchema, TemplatesType, UiSchema } from "@rjsf/utils";
import { ArrowDown, ArrowUp, Copy, type LucideIcon, Plus, Trash2, X } from "lucide-react";
import { type ReactNode, useMemo } from "react";
import { Button } from "./button";
import { errorSchemaOf, schemaValidator } from "./schema-validator";

export interface FieldProblem {
  /** As the server names it: `value.items[0].name`. */
  path: string;
  message: string;
}

interface SchemaFormProps {
  schema: JsonObject;
  value: Json | undefined;
  onChange(value: Json): void;
  /** Only ever called with a value that the schema allows. */
  onSubmit(value: Json): void;
  /** What the server said of the fields, without the name that the value has in the request. */
  problems?: readonly FieldProblem[];
  /** Beneath the fields: at least the button that submits. */
  children: ReactNode;
  disabled?: boolean;
}

const NONE: readonly FieldProblem[] = [];

/** A form for what a JSON Schema describes, checked as it is filled in and again by the server. */
export default function SchemaForm({ schema, value, onChange, onSubmit, problems = NONE, children, disabled = false }: SchemaFormProps) {
  const extraErrors = useMemo(() => errorSchemaOf(problems) as ErrorSchema, [problems]);
  const uiSchema = useMemo(() => uiSchemaOf(schema as RJSFSchema), [schema]);
  return (
    <Form
      className="schema-form"
      schema={schema as RJSFSchema}
      uiSchema={uiSchema}
      validator={schemaValidator}
      formData={value as never}
      extraErrors={extraErrors}
      extraErrorsBlockSubmit={false}
      showErrorList={false}
      noHtml5Validate
      focusOnFirstError
      disabled={disabled}
      templates={TEMPLATES}
      experimental_defaultFormStateBehavior={{ emptyObjectFields: "populateRequiredDefaults" }}
      onChange={(event: IChangeEvent) => onChange((event.formData ?? null) as Json)}
      onError={() => {
        // What is wrong stands at the fields; without this the form writes it to the console too.
      }}
      onSubmit={(event: IChangeEvent) => onSubmit((event.formData ?? null) as Json)}
    >
      {children}
    </Form>
  );
}

/** A few of several are ticked, not held down with a key; and what may be long has room. */
function uiSchemaOf(schema: RJSFSchema, depth = 0): UiSchema {
  if (depth > 5) return {};
  const { type, items, maxLength, properties = {} } = schema;
  if (type === "array" && typeof items === "object" && !Array.isArray(items) && items.enum) return { "ui:widget": "checkboxes" };
  if (type === "string" && maxLength !== undefined && maxLength > 200 && !schema.enum) return { "ui:widget": "textarea" };
  if (type === "array" && typeof items === "object" && !Array.isArray(items)) return { items: uiSchemaOf(items as RJSFSchema, depth + 1) };
  return Object.fromEntries(Object.entries(properties).flatMap(([name, each]) => (typeof each === "object" ? [[name, uiSchemaOf(each as RJSFSchema, depth + 1)]] : [])));
}

function iconButton(Icon: LucideIcon, label: string, spelled = false) {
  return function IconButton({ onClick, disabled, id }: IconButtonProps) {
    return (
      <Button tone="quiet" {...(id ? { id } : {})} onClick={onClick} disabled={disabled} {...(spelled ? {} : { "aria-label": label, title: label })} className={spelled ? "" : "px-2.5"}>
        <Icon className="size-4" aria-hidden="true" /> {spelled && label}
      </Button>
    );
  };
}

const TEMPLATES: Partial<TemplatesType> = {
  ButtonTemplates: {
    SubmitButton: () => null,
    AddButton: iconButton(Plus, "Add", true),
    CopyButton: iconButton(Copy, "Copy"),
    MoveDownButton: iconButton(ArrowDown, "Move down"),
    MoveUpButton: iconButton(ArrowUp, "Move up"),
    RemoveButton: iconButton(Trash2, "Remove"),
    ClearButton: iconButton(X, "Clear"),
  },
};
