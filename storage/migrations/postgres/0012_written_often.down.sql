ALTER TABLE processes RESET (fillfactor);
ALTER TABLE rooms RESET (fillfactor);
ALTER TABLE timers ADD CONSTRAINT timers_room_id_fkey FOREIGN KEY (room_id) REFERENCES rooms (id);
ALTER TABLE messages ADD CONSTRAINT messages_room_id_fkey FOREIGN KEY (room_id) REFERENCES rooms (id);
ALTER TABLE events ADD CONSTRAINT events_room_id_fkey FOREIGN KEY (room_id) REFERENCES rooms (id);
