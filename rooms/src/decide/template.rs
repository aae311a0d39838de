//! Templates: a version is checked when it is made, as a process is when it starts; a start lays what it was given over it.

use std::borrow::Cow;

use serde_json::Value;

use super::{Decider, Ruled, definition};
use crate::event::EventBody;
use crate::model::Object;
use crate::model::process::TemplateRef;
use crate::model::template::ProcessTemplate;
use crate::request as r;
use crate::{Code, FieldError, Refusal, form, limits};

impl Decider<'_> {
    pub(super) fn create_template(&mut self, input: &r::CreateTemplate) -> Ruled {
        let known = input.id.map(|id| self.ctx.facts.template(id, None));
        let version = match known {
            Some(Some(known)) => known.version + 1,
            Some(None) => {
                let id = input.id.map(|id| id.to_string()).unwrap_or_default();
                return Err(Refusal::not_found("template", id));
            }
            None => 1,
        };
        if let Some(inputs) = &input.inputs {
            form::check_schema("inputs", inputs)?;
        }
        let whole = r::StartProcess {
            name: input.name.clone(),
            description: input.description.clone(),
            team_id: None,
            steps: input.steps.clone(),
            template_id: None,
            template_version: None,
            inputs: None,
            context: input.context.clone(),
            priority: input.priority,
            fail_fast: input.fail_fast,
        };
        definition::check(&whole, None, self.ctx.facts, definition::Of::Template)?;
        // What it uses is pinned now: a version never means another thing later.
        let mut steps = input.steps.clone();
        for sub in steps.iter_mut().filter_map(|s| s.process.as_mut()) {
            let version = sub.template_version;
            let used = self.ctx.facts.template(sub.template_id, version);
            sub.template_version = used.map(|t| t.version);
        }
        let template = ProcessTemplate {
            id: input.id.unwrap_or_else(|| self.ctx.id()),
            version,
            name: input.name.clone(),
            description: input.description.clone(),
            workspace_id: self.ctx.principal.workspace_id.clone(),
            inputs: input.inputs.clone(),
            steps,
            context: input.context.clone(),
            priority: input.priority,
            fail_fast: input.fail_fast,
            created_by: self.ctx.principal.id.clone(),
            created_at: self.now(),
        };
        let json = super::json(&template);
        if limits::size_of(&json, limits::TEMPLATE) > limits::TEMPLATE {
            return Err(Refusal::new(
                Code::PayloadTooLarge,
                format!("a template may have at most {} bytes", limits::TEMPLATE),
            ));
        }
        self.emit(EventBody::TemplateCreated(template));
        Ok(json)
    }

    /// What is to be started: as it was given, or its template with what was given laid over it.
    pub(super) fn compose<'s>(
        &self,
        start: &'s r::StartProcess,
    ) -> Result<(Cow<'s, r::StartProcess>, Option<TemplateRef>), Refusal> {
        let Some(id) = start.template_id else {
            let mut errors = Vec::new();
            for (name, given) in [
                ("inputs", start.inputs.is_some()),
                ("templateVersion", start.template_version.is_some()),
            ] {
                if given {
                    errors.push(FieldError::new(name, "goes with templateId only"));
                }
            }
            crate::refusal::all_valid(errors)?;
            return Ok((Cow::Borrowed(start), None));
        };
        let Some(template) = self.ctx.facts.template(id, start.template_version) else {
            return Err(match start.template_version {
                Some(version) => {
                    Refusal::not_found("template", format!("{id} in version {version}"))
                }
                None => Refusal::not_found("template", id),
            });
        };
        if !start.steps.is_empty() {
            return Err(Refusal::field(
                "steps",
                "leave them out: the template has the steps",
            ));
        }
        let inputs = start.inputs.clone().unwrap_or_default();
        let given = Value::Object(inputs);
        limits::check("inputs", &given, limits::INPUTS)?;
        if let Some(inputs) = &template.inputs {
            form::check_value("inputs", inputs, &given)?;
        }
        let mut context = template.context.clone().unwrap_or_default();
        if let Some(over) = &start.context {
            lay_over(&mut context.shared_data, &over.shared_data);
            lay_over(&mut context.variables, &over.variables);
            context
                .document_ids
                .extend(over.document_ids.iter().cloned());
            context.session_ids.extend(over.session_ids.iter().cloned());
            let said = over.conversation_history.iter().cloned();
            context.conversation_history.extend(said);
        }
        if let Some(inputs) = given.as_object() {
            lay_over(&mut context.variables, inputs);
        }
        let name = match start.name.trim() {
            "" => template.name.clone(),
            _ => start.name.clone(),
        };
        let composed = r::StartProcess {
            name,
            description: start
                .description
                .clone()
                .or_else(|| template.description.clone()),
            team_id: start.team_id,
            steps: template.steps.clone(),
            template_id: start.template_id,
            template_version: Some(template.version),
            inputs: None,
            context: Some(context),
            priority: start.priority.or(template.priority),
            fail_fast: start.fail_fast && template.fail_fast,
        };
        let pinned = TemplateRef {
            id,
            version: template.version,
        };
        Ok((Cow::Owned(composed), Some(pinned)))
    }
}

fn lay_over(base: &mut Object, over: &Object) {
    base.extend(over.iter().map(|(k, v)| (k.clone(), v.clone())));
}
