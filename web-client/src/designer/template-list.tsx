import { toBatonError } from "@baton/client";
import { BookCopy, Pencil, Play } from "lucide-react";
import { Link } from "react-router";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Empty, Loading, ProblemNote } from "../ui/notes";
import { Ago } from "../ui/time";
import { type Template, useTemplates } from "./templates";

/** What was kept, to start as it is or to draw on. */
export function TemplateList({ open, onOpenChange, onEdit }: { open: boolean; onOpenChange(open: boolean): void; onEdit(template: Template): void }) {
  return (
    <Dialog title="Templates" open={open} onOpenChange={onOpenChange} wide>
      <List
        onLeave={() => onOpenChange(false)}
        onEdit={(template) => {
          onOpenChange(false);
          onEdit(template);
        }}
      />
    </Dialog>
  );
}

function List({ onLeave, onEdit }: { onLeave(): void; onEdit(template: Template): void }) {
  const list = useTemplates();
  if (list.error) return <ProblemNote error={toBatonError(list.error)} onRetry={() => void list.refetch()} />;
  if (!list.data) return <Loading label="Loading the templates" rows={3} />;
  if (list.data.length === 0) {
    return (
      <Empty icon={<BookCopy className="size-5" />} title="No template yet">
        Draw a process and save it as a template: then anybody starts it by filling in a form.
      </Empty>
    );
  }
  return (
    <ul className="flex flex-col gap-2">
      {list.data.map((template) => (
        <li key={template.id} data-template={template.id} className="flex flex-wrap items-center gap-3 rounded-xl border border-line p-3">
          <div className="min-w-0 flex-1">
            <p className="font-semibold break-words">{template.name}</p>
            {template.description && <p className="text-sm break-words text-ink-soft">{template.description}</p>}
            <p className="mt-0.5 text-xs text-ink-faint">
              {template.steps.length === 1 ? "1 step" : `${template.steps.length} steps`}, version {template.version}
              {template.createdAt && (
                <>
                  , <Ago at={template.createdAt} />
                </>
              )}
            </p>
          </div>
          <Button onClick={() => onEdit(template)} aria-label={`Draw on it: ${template.name}`}>
            <Pencil className="size-4" aria-hidden="true" /> Draw on it
          </Button>
          <Link
            to={`/start?template=${encodeURIComponent(template.id)}`}
            onClick={onLeave}
            aria-label={`Start ${template.name}`}
            className="inline-flex h-9 items-center gap-2 rounded-lg bg-accent px-3 text-sm font-medium text-accent-ink hover:brightness-110"
          >
            <Play className="size-4" aria-hidden="true" /> Start
          </Link>
        </li>
      ))}
    </ul>
  );
}
