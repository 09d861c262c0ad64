/** The editor of one query: CodeMirror with the language of PromQL. */
import {
  acceptCompletion,
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  closeCompletion,
  completionKeymap,
  completionStatus,
  selectedCompletion,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, insertNewlineAndIndent } from "@codemirror/commands";
import { bracketMatching, HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { type Diagnostic, forceLinting, linter } from "@codemirror/lint";
import { EditorState, Prec } from "@codemirror/state";
import { EditorView, keymap, placeholder } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { HybridComplete } from "@prometheus-io/codemirror-promql/dist/esm/complete/hybrid";
import { HybridLint } from "@prometheus-io/codemirror-promql/dist/esm/lint/hybrid";
import { promQLLanguage } from "@prometheus-io/codemirror-promql/dist/esm/promql";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../text";
import { completionClient } from "./catalog";

/** What the server said about a text: it stands below it for as long as the text is that one. */
export interface Mistake {
  expr: string;
  from: number;
  to: number;
  message: string;
}

/** What others may do with an editor. */
export interface EditorHandle {
  focus: () => void;
  /** Puts a text in the place of the selection, or of everything if there is nothing but space. */
  insert: (text: string) => void;
}

const colors = HighlightStyle.define([
  { tag: tags.number, color: "var(--pq-number)" },
  { tag: tags.string, color: "var(--pq-string)" },
  { tag: tags.keyword, color: "var(--pq-keyword)" },
  { tag: tags.function(tags.variableName), color: "var(--pq-function)" },
  { tag: tags.labelName, color: "var(--pq-label)" },
  { tag: tags.operator },
  { tag: tags.modifier, color: "var(--pq-keyword)" },
  { tag: tags.comment, color: "var(--muted)", fontStyle: "italic" },
  { tag: tags.invalid, color: "var(--bad)" },
]);

/** The page's variables carry the colours, so that one theme serves light and dark. */
const look = EditorView.theme({
  "&": { backgroundColor: "transparent", fontSize: "13px", color: "var(--text)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "19px", maxHeight: "240px" },
  ".cm-content": { padding: "5px 0", caretColor: "var(--text)" },
  ".cm-line": { padding: "0 9px" },
  ".cm-placeholder": { color: "var(--muted)", fontFamily: "var(--sans)" },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "transparent", outline: "1px solid var(--line-strong)" },
  "&.cm-focused .cm-nonmatchingBracket": { backgroundColor: "transparent", color: "var(--bad)" },
  ".cm-lintRange-error": { backgroundImage: "none", textDecoration: "underline wavy var(--bad)", textUnderlineOffset: "3px" },
  ".cm-lintRange-warning": { backgroundImage: "none", textDecoration: "underline wavy var(--warn)", textUnderlineOffset: "3px" },
  ".cm-tooltip": { backgroundColor: "var(--raised)", color: "var(--text)", border: "1px solid var(--line-strong)", borderRadius: "6px", boxShadow: "var(--shadow)" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", fontSize: "12px", borderRadius: "5px", maxHeight: "260px", maxWidth: "min(560px, 92vw)", minWidth: "min(260px, 80vw)" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { display: "flex", gap: "10px", padding: "3px 9px", lineHeight: "18px" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--on-accent)" },
  ".cm-tooltip-autocomplete-disabled ul li[aria-selected]": { backgroundColor: "var(--muted)" },
  ".cm-completionLabel": { flex: "1", overflow: "hidden", textOverflow: "ellipsis" },
  ".cm-completionMatchedText": { textDecoration: "none", fontWeight: "700" },
  ".cm-completionDetail": { marginLeft: "0", fontStyle: "normal", fontFamily: "var(--sans)", color: "var(--muted)" },
  "li[aria-selected] .cm-completionDetail": { color: "inherit" },
  ".cm-tooltip.cm-completionInfo": { padding: "6px 9px", maxWidth: "340px", fontFamily: "var(--sans)", fontSize: "12px", overflowWrap: "anywhere", whiteSpace: "pre-wrap" },
  ".cm-diagnostic": { padding: "5px 9px", fontFamily: "var(--sans)", fontSize: "12px", maxWidth: "min(520px, 90vw)", overflowWrap: "anywhere" },
  ".cm-diagnostic-error": { borderLeft: "3px solid var(--bad)" },
  ".cm-diagnostic-warning": { borderLeft: "3px solid var(--warn)" },
});

/** The completion that is chosen says nothing new: Enter then means to run. */
function nothingToComplete(state: EditorState): boolean {
  const chosen = selectedCompletion(state);
  if (chosen === null) return true;
  const word = /[\w:]+$/.exec(state.sliceDoc(Math.max(0, state.selection.main.head - 300), state.selection.main.head))?.[0];
  return word === chosen.label && (chosen.apply === undefined || chosen.apply === word);
}

export function PromqlEditor({
  value,
  revision,
  label,
  mistake,
  onChange,
  onRun,
  onFocus,
  handle,
}: {
  /** What stands in it at first, and whenever `revision` changes: in between it belongs to whoever writes. */
  value: string;
  revision: number;
  label: string;
  mistake: Mistake | undefined;
  onChange: (text: string) => void;
  onRun: () => void;
  onFocus: () => void;
  handle: (editor: EditorHandle | undefined) => void;
}) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | undefined>(undefined);
  // The editor outlives many drawings of this component; it asks for what holds now.
  const now = useRef({ mistake, onChange, onRun, onFocus });
  now.current = { mistake, onChange, onRun, onFocus };

  useEffect(() => {
    if (host.current === null) return;
    const complete = new HybridComplete(completionClient);
    const language = promQLLanguage("PromQL" as Parameters<typeof promQLLanguage>[0]);
    const check = new HybridLint().promQL();
    const diagnose = (editor: EditorView): Diagnostic[] => {
      const text = editor.state.doc.toString();
      if (text.trim() === "") return [];
      const own = check.call(null, editor) as readonly Diagnostic[];
      const { mistake: said } = now.current;
      // What the package has not seen, the server has.
      if (own.length > 0 || said === undefined || said.expr !== text.trim()) return [...own];
      const shift = text.length - text.trimStart().length;
      return [{ from: said.from + shift, to: said.to + shift, severity: "error", message: said.message }];
    };
    const run = (editor: EditorView): boolean => {
      // Enter that ends a syllable belongs to the input method.
      if (editor.composing) return false;
      if (completionStatus(editor.state) === "active" && !nothingToComplete(editor.state)) return acceptCompletion(editor);
      closeCompletion(editor);
      now.current.onRun();
      return true;
    };
    const made = new EditorView({
      parent: host.current,
      state: EditorState.create({
        doc: value,
        extensions: [
          Prec.highest(
            keymap.of([
              { key: "Enter", run, shift: insertNewlineAndIndent },
              { key: "Mod-Enter", run },
              { key: "Tab", run: acceptCompletion },
            ]),
          ),
          history(),
          bracketMatching(),
          closeBrackets(),
          language,
          language.data.of({ autocomplete: (context: Parameters<HybridComplete["promQL"]>[0]) => complete.promQL(context) }),
          autocompletion({ icons: false, defaultKeymap: true, maxRenderedOptions: 60 }),
          linter(diagnose, { delay: 300 }),
          syntaxHighlighting(colors),
          look,
          EditorView.lineWrapping,
          placeholder(t("explore.placeholder")),
          EditorView.contentAttributes.of({
            "aria-label": label,
            "aria-multiline": "true",
            autocapitalize: "off",
            autocorrect: "off",
            spellcheck: "false",
            "data-query": "",
          }),
          keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, ...completionKeymap]),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) now.current.onChange(update.state.doc.toString());
            if (update.focusChanged && update.view.hasFocus) now.current.onFocus();
          }),
        ],
      }),
    });
    view.current = made;
    handle({
      focus: () => made.focus(),
      insert: (text) => {
        const all = made.state.doc.toString().trim() === "";
        const { from, to } = all ? { from: 0, to: made.state.doc.length } : made.state.selection.main;
        made.dispatch({ changes: { from, to, insert: text }, selection: { anchor: from + text.length }, scrollIntoView: true });
        closeCompletion(made);
      },
    });
    return () => {
      handle(undefined);
      view.current = undefined;
      made.destroy();
    };
  }, []);

  useEffect(() => {
    const editor = view.current;
    if (editor === undefined || editor.state.doc.toString() === value) return;
    editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: value } });
    closeCompletion(editor);
  }, [revision]);

  useEffect(() => {
    if (view.current !== undefined) forceLinting(view.current);
  }, [mistake?.expr, mistake?.message]);

  return <div class="promql" ref={host} />;
}
