import { callByName, readFile, useReadBy } from '../data/api.ts';
import { useCan, useSession } from '../data/session.tsx';
import { visibleText } from '../data/visible-text.ts';
import { BundleCheck } from '../parts/bundle-check.tsx';
import { Command, CommandLine, CopyId, commandLine } from '../parts/copy.tsx';
import { DownloadButton } from '../parts/download.tsx';
import { addressWith } from '../parts/filter.tsx';
import { Foreign } from '../parts/format.tsx';
import { Json } from '../parts/json.tsx';
import { Section as Card, Facts, PageHead, type PageProps } from '../parts/page.tsx';
import { Ref } from '../parts/ref.tsx';
import { Empty, Shown } from '../parts/states.tsx';
import { Views } from '../parts/views.tsx';
import { hrefOf, isOpen, type Place, placeOf } from '../places.ts';
import { common } from '../texts/common.ts';
import { operations } from '../texts/generated/operations.ts';
import { useLanguage, useTexts } from '../texts/languages.ts';
import { OperationAct } from './act.tsx';
import type { Item } from './operation.ts';
import { Listed } from './rows.tsx';
import type { Asked, Parts, Said, Section } from './sections.ts';
import { placeText, useWords } from './words.ts';

const shown = (said: Said) =>
  typeof said === 'string' ? (
    said
  ) : (
    <>
      {said.word} <Foreign lang="en">{said.english}</Foreign>
    </>
  );

function Body({ section, title }: { readonly section: Section; readonly title: string }) {
  const { tone, strong, act, says = [], facts = [], steps, json, copy } = section;
  const { progress, link, command, file, bundle, none, list } = section;
  const helping = operations.find(({ name }) => name === act?.does);
  const empty = none === undefined ? undefined : <Empty title={none[0]} why={none[1]} />;
  return (
    <div class={tone === undefined ? 'parts' : `note ${tone}`}>
      {strong === undefined ? null : (
        <div class="acts">
          <strong>{strong}</strong>
          {helping === undefined ? null : <OperationAct {...act} operation={helping} />}
        </div>
      )}
      {says.map((said, at) => (
        <p key={at} class={tone === undefined ? 'why' : undefined}>
          {shown(said)}
        </p>
      ))}
      {facts.length === 0 ? null : (
        <Facts
          items={facts.map(
            ([label, value]) =>
              [
                label,
                typeof value === 'string' ? <Foreign>{visibleText(value)}</Foreign> : <Ref {...value} />,
              ] as const,
          )}
        />
      )}
      {steps === undefined ? null : (
        <ul class="steps" aria-label={title}>
          {steps.map(([step, ...below], at) => (
            <li key={at}>
              <strong>{shown(step)}</strong>
              {below.map((said, line) => (
                <p key={line}>{shown(said)}</p>
              ))}
            </li>
          ))}
        </ul>
      )}
      {json === undefined ? null : <Json value={json} />}
      {copy === undefined ? null : (
        <p class="dim small">
          {copy[0]} <CopyId>{copy[1]}</CopyId>
        </p>
      )}
      {progress === undefined ? null : <progress aria-label={progress[0]} max={100} value={progress[1]} />}
      {link === undefined ? null : (
        <p>
          <a class={link.isButton ? 'button' : undefined} href={link.href}>
            {link.text}
          </a>
        </p>
      )}
      {command === undefined ? null : section.title === undefined ? (
        <CommandLine text={commandLine(...command)} />
      ) : (
        <Command text={commandLine(...command)} />
      )}
      {file === undefined ? null : (
        <p>
          <DownloadButton path={file.path} name={file.name} accept={file.accept} label={`${file.label}: ${file.name}`}>
            {file.label}
          </DownloadButton>
        </p>
      )}
      {bundle === undefined ? null : <BundleCheck read={() => readFile(bundle)} />}
      {list === undefined ? empty : <Listed label={title} empty={empty} {...list} />}
    </div>
  );
}

/** The answer of another operation, as sections. */
function Answered({ asked: { title, reads, path, shows } }: { readonly asked: Asked }) {
  const query = useReadBy([reads, path], () => callByName(reads, { path }));
  return (
    <Card title={title}>
      <Shown query={query} lines={2}>
        {(answer) => (
          <>
            {[shows(answer as never)].flat().map((section, index) => (
              <Body key={section.strong ?? index} section={section} title={title} />
            ))}
          </>
        )}
      </Shown>
    </Card>
  );
}

/** One section, if the reader may see it. */
export function SectionShown({ section }: { readonly section: Section | Asked }) {
  const language = useLanguage();
  const texts = useTexts(common);
  const { permissions, left_out: leftOut } = useSession();
  if ('reads' in section) return <Answered asked={section} />;
  const { title, list } = section;
  const place = list === undefined ? undefined : placeOf(list.of);
  if (place !== undefined && !isOpen(place, permissions, leftOut)) return null;
  const heading = title ?? (list === undefined ? undefined : placeText(list.of, 'many', language));
  return heading === undefined ? (
    <Body section={section} title="" />
  ) : (
    <Card
      title={heading}
      acts={place && list?.by ? <a href={addressWith(hrefOf(place), list.by)}>{texts.all}</a> : undefined}
    >
      <Body section={section} title={heading} />
    </Card>
  );
}

/** The sections of a page before or after the rest of it. */
export function Sections({
  parts: { texts, ...parts },
  at,
  item,
  segment,
}: {
  readonly parts: Parts;
  readonly at: 'above' | 'below';
  readonly item: Item;
  readonly segment: string;
}) {
  const language = useLanguage();
  const words = useWords(segment);
  const can = useCan();
  const shown = parts[at]?.(item, { texts: texts[language], language, word: words.value, can }) ?? [];
  return (
    <>
      {shown.map((section, index) => (
        <SectionShown key={section.title ?? index} section={section} />
      ))}
    </>
  );
}

/** A page of sections alone. */
export function pageOf({ name }: Place, parts: Parts) {
  function Page({ title }: PageProps) {
    const { lead } = parts.texts[useLanguage()];
    return (
      <div class="page">
        <PageHead title={title} lead={lead} />
        <Views of={placeOf(name) as Place} />
        <Sections parts={parts} at="above" item={{}} segment={name} />
      </div>
    );
  }
  return { Page };
}
