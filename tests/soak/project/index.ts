import './fake/syncs/changes.js';
import './fake/syncs/notes.js';
import './fake/syncs/listing.js';
