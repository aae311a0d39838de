import { X } from "lucide-react";
import { Dialog as Radix } from "radix-ui";
import type { DialogProps } from "./dialog";

/** The dialog of `dialog.tsx`, once somebody has asked for one. */
export default function OpenDialog({ title, description, open, onOpenChange, trigger, wide = false, children }: DialogProps) {
  return (
    <Radix.Root {...(open === undefined ? { defaultOpen: true } : { open })} {...(onOpenChange ? { onOpenChange } : {})}>
      {trigger && <Radix.Trigger asChild>{trigger}</Radix.Trigger>}
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-20 bg-black/50" />
        <Radix.Content
          {...(description ? {} : { "aria-describedby": undefined })}
          className={`rising fixed z-20 flex max-h-[calc(100dvh-2rem)] flex-col border border-line bg-raised shadow-2xl max-sm:inset-x-0 max-sm:bottom-0 max-sm:rounded-t-2xl sm:top-1/2 sm:left-1/2 sm:w-[calc(100%-2rem)] sm:-translate-1/2 sm:rounded-2xl ${wide ? "sm:max-w-2xl" : "sm:max-w-md"}`}
        >
          <div className="px-5 pt-5 pr-14">
            <Radix.Title className="text-lg font-semibold">{title}</Radix.Title>
            {description && <Radix.Description className="mt-1 text-sm text-ink-soft">{description}</Radix.Description>}
          </div>
          <div className="min-h-0 overflow-y-auto px-5 pt-4 pb-5">{children}</div>
          {/* Last, so that what is asked for has the focus first. */}
          <Radix.Close aria-label="Close" className="absolute top-4 right-3 grid size-9 place-items-center rounded-lg text-ink-soft hover:bg-sunken">
            <X className="size-4" aria-hidden="true" />
          </Radix.Close>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
