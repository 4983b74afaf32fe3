import type { Catalogue } from '../../projections/catalogue.ts';
import { type Locale, saidIn } from '../pages/locale.ts';
import type { ConsentScope } from '../pages/models.ts';

/** How a scope is shown to people: in their language if it was told in it. */
export function scopeTexts(
  catalogue: Catalogue,
  locale: Locale,
  name: string,
): Pick<ConsentScope, 'displayName' | 'description'> {
  const scope = catalogue.scopes.get(name);
  const text = saidIn(locale, scope?.texts ?? []) ?? scope;
  return { displayName: text?.display_name ?? name, description: text?.description };
}
