// What people do, as UBI 1.3 events: https://github.com/o19s/ubi

import { send } from "./api.js";
import { identity, randomId } from "./identity.js";

/** Report an action on an entry of the page, also while that is being left; resolves to whether it was taken. */
export const report = (action, entry, attributes) => send([eventOf(action, entry, attributes)]);

/** Report that something was chosen as related to a hit: it belongs to no search. */
export const reportRelated = ({ entity_id, kind }, to) =>
  send([
    {
      action_name: "click",
      event_id: randomId(),
      application: "bandstand-page",
      ...identity(),
      event_attributes: {
        object: { object_id: entity_id, object_id_field: "entity_id", object_id_type: kind },
        related_to: to,
      },
    },
  ]);

/**
 * The event of an action on an entry. Without an id of its search (the page was a preview while somebody typed)
 * the event carries the query's text, from which the memory learns too. The server's clock dates it.
 */
function eventOf(action, entry, attributes = {}) {
  const { hit, answer, position, team } = entry;
  const search = answer.preview ? { user_query: answer.query.text } : { query_id: answer.query_id };
  return {
    action_name: action,
    event_id: randomId(),
    application: "bandstand-page",
    ...identity(),
    ...search,
    event_attributes: {
      object: { object_id: hit.entity_id, object_id_field: "entity_id", object_id_type: hit.kind },
      position: { ordinal: position },
      policy: answer.decision.policy,
      ...(team && { interleaving: team }),
      ...attributes,
    },
  };
}
