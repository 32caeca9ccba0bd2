import { useState } from 'preact/hooks';
import { BundleCheck } from '../parts/bundle-check.tsx';
import { useNumber } from '../parts/format.tsx';
import { PageHead, type PageProps } from '../parts/page.tsx';
import { Views } from '../parts/views.tsx';
import { type Place, placeOf } from '../places.ts';
import { fill, inLanguages, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
  en: {
    lead: 'The bundle of a report, from this installation or another one. The file stays in your browser.',
    choose: 'Bundle of a report (JSON)',
    drop: 'Choose the file, or drop it here.',
    chosen: '{name}, {size} bytes',
    tooLarge: '{name} is too large to be the bundle of a report.',
  },
  de: {
    lead: 'Das Paket eines Berichts, von dieser Installation oder einer anderen. Die Datei bleibt in Ihrem Browser.',
    choose: 'Paket eines Berichts (JSON)',
    drop: 'Wählen Sie die Datei, oder legen Sie sie hier ab.',
    chosen: '{name}, {size} Bytes',
    tooLarge: '{name} ist zu groß für das Paket eines Berichts.',
  },
});

/** More than a bundle of a thousand controls has. */
const LARGEST_BYTES = 64 * 1_024 * 1_024;

export function Page({ title }: PageProps) {
  const own = useTexts(texts);
  const number = useNumber();
  const [file, setFile] = useState<File | undefined>(undefined);
  const [isOver, setOver] = useState(false);
  const choose = (files: FileList | null | undefined): void => {
    setOver(false);
    if (files?.[0] !== undefined) setFile(files[0]);
  };
  return (
    <div class="page">
      <PageHead title={title} lead={own.lead} />
      <Views of={placeOf('verifyReport') as Place} />
      {/* Dropping is an addition: the field inside does the same by keyboard. */}
      <section
        class={isOver ? 'card drop over' : 'card drop'}
        aria-label={own.choose}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          choose(event.dataTransfer?.files);
        }}
      >
        <label htmlFor="bundle">{own.choose}</label>
        <input
          id="bundle"
          type="file"
          accept=".json,application/json"
          aria-describedby="bundle-help"
          onChange={(event) => choose(event.currentTarget.files)}
        />
        <span id="bundle-help" class="dim small" role="status">
          {file === undefined ? own.drop : fill(own.chosen, { name: file.name, size: number(file.size) })}
        </span>
      </section>
      {file === undefined ? null : file.size > LARGEST_BYTES ? (
        <p class="note bad" role="alert">
          {fill(own.tooLarge, { name: file.name })}
        </p>
      ) : (
        <BundleCheck key={`${file.name} ${file.size} ${file.lastModified}`} read={() => file.text()} />
      )}
    </div>
  );
}
