/** A button and what it opens. Escape and a click elsewhere close it, and the button has the focus again. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

export function Popover({
  button,
  label,
  className = "",
  children,
}: {
  button: ComponentChildren;
  label: string;
  className?: string;
  children: (close: () => void) => ComponentChildren;
}) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const opener = useRef<HTMLButtonElement>(null);
  const close = (): void => {
    setOpen(false);
    opener.current?.focus();
  };
  useEffect(() => {
    if (!open) return;
    const elsewhere = (event: PointerEvent): void => {
      if (!root.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", elsewhere);
    root.current?.querySelector<HTMLElement>(".popover input, .popover button, .popover select")?.focus();
    return () => document.removeEventListener("pointerdown", elsewhere);
  }, [open]);
  return (
    <div
      class={`pop ${className}`}
      ref={root}
      onKeyDown={(event) => {
        if (event.key !== "Escape" || event.isComposing || !open) return;
        event.stopPropagation();
        close();
      }}
    >
      <button
        type="button"
        ref={opener}
        aria-haspopup="dialog"
        aria-expanded={open}
        aria-label={label}
        title={label}
        onClick={() => setOpen(!open)}
      >
        {button}
      </button>
      {open && (
        <div class="popover" role="dialog" aria-label={label}>
          {children(close)}
        </div>
      )}
    </div>
  );
}
