/** Who we are to the server and what it lets us do, asked once at the start. */
import { signal } from "@preact/signals";
import { askSession, type Session } from "./api";

/** None until the server has told, and if it cannot tell. */
export const session = signal<Session | undefined>(undefined);

/** Asks in the background: pages show what anybody may see without waiting for it. */
export function startSession(): void {
  askSession().then(
    (answer) => {
      session.value = answer;
    },
    () => undefined,
  );
}
