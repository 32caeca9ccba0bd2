import { useState } from 'preact/hooks';
import { shellWord } from '../data/shell-word.ts';
import { common } from '../texts/common.ts';
import { useTexts } from '../texts/languages.ts';
import { Id } from './format.tsx';
import { Icon } from './icons.tsx';

export function CopyButton({ text, label }: { readonly text: string; readonly label?: string }) {
  const texts = useTexts(common);
  const [isCopied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 2_000);
  };
  return (
    <button type="button" class="quiet small" onClick={() => void copy()}>
      <Icon name={isCopied ? 'check' : 'copy'} />
      <span>{isCopied ? texts.copied : (label ?? texts.copy)}</span>
    </button>
  );
}

export const CopyId = ({ children }: { readonly children: string }) => (
  <span class="copy-id">
    <Id>{children}</Id> <CopyButton text={children} />
  </span>
);

/** No line breaks inside of it, as browsers do after a hyphen. */
const FLAG = /(?<= )(--[a-z-]+)/;

export const CommandLine = ({ text }: { readonly text: string }) => (
  <div class="command-line">
    <code>
      {text.split(FLAG).map((part) =>
        part.startsWith('--') ? (
          <span key={part} class="flag">
            {part}
          </span>
        ) : (
          part
        ),
      )}
    </code>
    <CopyButton text={text} />
  </div>
);

/** The command line of what a dialog does, folded. */
export function Command({ text }: { readonly text: string }) {
  const texts = useTexts(common);
  return (
    <details class="command">
      <summary>{texts.command}</summary>
      <CommandLine text={text} />
    </details>
  );
}

/** `sallyport users disable u-1 --reason 'left the company'` */
export const commandLine = (...words: readonly string[]): string => ['sallyport', ...words.map(shellWord)].join(' ');
