-- A message with more than one From field, with authors at more than one domain, or without any cannot be judged by
-- DMARC, and mail readers differ in whom they show: it is refused (RFC 7489 6.6.1). Real bounces have no domain at times.
rspamd_config:register_symbol {
  name = 'AUTHORS',
  type = 'prefilter',
  callback = function(task)
    local fields = task:get_header_full('From') or {}
    local domains, count = {}, 0
    for _, author in ipairs(task:get_from('mime') or {}) do
      local domain = (author.domain or ''):lower()
      if domain ~= '' and not domains[domain] then
        domains[domain] = true
        count = count + 1
      end
    end
    local sender = (task:get_from('smtp') or {})[1]
    local bounce = not sender or (sender.addr or '') == ''
    if #fields > 1 or count > 1 then
      task:set_pre_result('reject', 'more than one author domain', 'authors')
    elseif count == 0 and not bounce then
      task:set_pre_result('reject', 'no author domain', 'authors')
    end
  end,
}

-- A DNS failure leaves open whether the message would pass under p=reject: it is to come again (RFC 7489 6.6.2).
rspamd_config:register_symbol {
  name = 'DMARC_UNDECIDED',
  type = 'postfilter',
  callback = function(task)
    local failure = (task:get_symbol('DMARC_DNSFAIL') or {})[1]
    for _, option in ipairs(failure and failure.options or {}) do
      if option == 'reject' then
        task:set_pre_result('soft reject', 'a DNS failure leaves DMARC undecided', 'dmarc')
      end
    end
  end,
}
