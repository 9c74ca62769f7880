// What is imported here is deployed, and nothing else. The first folder is the integration's id.
import './crm/syncs/contacts.js';
import './crm/syncs/companies.js';
import './crm/syncs/tickets.js';
