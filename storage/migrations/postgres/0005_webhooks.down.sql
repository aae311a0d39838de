DROP TABLE webhook_outbox;
DROP TABLE webhook_version;
DROP TABLE webhooks;
